# SPDX-License-Identifier: GPL-3.0-or-later
# Everything from a bare python3 (3.11 or later) and make; see docs/development.md.
#
#   make demo       photographs -> out/demo/head.glb, head.blend, overview.png, turntable.webp
#   make test       lint, types, tests
#   make test-window    the add-on in a Blender with a window (Debian or Ubuntu, root)
#   make test-survival  workers and Blenders killed at 20 random moments each
#   make setup      only the environment, .venv
#   make extension  the add-on as a zip: out/idto3d-VERSION.zip
#   make clean      remove the environments and what was made

PYTHON ?= python3
TORCH_VERSION := 2.13.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
BLENDER_VENV := .venv-blender
BLENDER_BIN := $(BLENDER_VENV)/bin
DEMO := out/demo
WINDOW := out/window/system
DEMO_EXPRESSIONS := smile,jaw_open,surprise,anger

.PHONY: setup demo test test-window test-survival lint extension blender clean
.DELETE_ON_ERROR:

setup: $(VENV)/.installed

demo: setup blender
	rm -rf $(DEMO)
	$(BIN)/idto3d generate assets/example/* --name example --expressions $(DEMO_EXPRESSIONS) \
	    --preset draft --output $(DEMO)/job
	cp -R $(DEMO)/job/result/. $(DEMO)
	@if [ -e $(BLENDER_VENV)/.installed ]; then \
	    $(BLENDER_BIN)/python -I backend/idto3d/asset/blend.py \
	        $(DEMO)/head.glb $(DEMO)/head.blend; fi
	@echo "Look at $(DEMO)/overview.png"

test: lint blender tests/node/node_modules
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

# Screenshots are then in out/window/.
test-window: $(VENV)/.installed-dev blender
	@sh tests/addon/window/prepare.sh $(WINDOW)
	@[ ! -d $(WINDOW) ] || \
	    IDTO3D_WINDOW_SYSTEM=$(WINDOW) $(BIN)/python -m pytest -q tests/addon/window

test-survival: $(VENV)/.installed-dev blender
	IDTO3D_KILLS=20 $(BIN)/python -m pytest -q tests/addon/test_survival.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# -- the environment ---------------------------------------------------------------------------

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is missing or older than Python 3.11, which idto3d needs." >&2; \
	    echo "Install a newer one and name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "No environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; }
	@touch $@

# torch by the machine: one that is there stays; CUDA where there is an NVIDIA GPU; else the CPU
# build, from wherever pip looks first, then from PyTorch's index, then whatever PyPI has.
$(VENV)/.torch: $(VENV)/.created
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then \
	    echo "torch is there already."; \
	elif nvidia-smi >/dev/null 2>&1; then \
	    echo "Installing torch $(TORCH_VERSION) with CUDA (several GB)."; \
	    $(PIP) install -q "torch==$(TORCH_VERSION)"; \
	else \
	    echo "Installing torch $(TORCH_VERSION) for the CPU (200 MB)."; \
	    $(PIP) install -q --retries 0 --timeout 15 "torch==$(TORCH_VERSION)+cpu" 2>/dev/null || \
	    $(PIP) install -q --retries 1 --timeout 15 "torch==$(TORCH_VERSION)+cpu" \
	        --index-url https://download.pytorch.org/whl/cpu 2>/dev/null || \
	    $(PIP) install -q "torch==$(TORCH_VERSION)"; \
	fi
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing idto3d and its libraries into $(VENV)."
	@$(PIP) install -q -e . -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing idto3d, its libraries and the tools of development into $(VENV)."
	@$(PIP) install -q -e ".[dev,train]" -c constraints.txt
	@touch $@ $(VENV)/.installed

# -- optional parts: each is left out with a sentence where it can't be had ----------------------

# Khronos' glTF validator.
tests/node/node_modules: tests/node/package.json
	@if command -v npm >/dev/null; then \
	    npm install --prefix tests/node --silent --no-audit --no-fund && touch $@ || \
	    echo "npm could not install the glTF validator: its tests are skipped."; \
	else echo "There is no npm: the tests with the glTF validator are skipped."; fi

# Blender as a Python module. Its wheels exist for one version of Python each.
blender:
	@if [ -e $(BLENDER_VENV)/.installed ]; then exit 0; fi; \
	for pair in 3.11:4.5.15 3.13:5.2.3; do \
	    for python in $(PYTHON) python$${pair%%:*}; do \
	        version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	        [ "$$version" = "$${pair%%:*}" ] || continue; \
	        echo "Installing Blender $${pair##*:} as a Python module into $(BLENDER_VENV) (1 GB)."; \
	        rm -rf $(BLENDER_VENV) && $$python -m venv $(BLENDER_VENV) && \
	        $(BLENDER_BIN)/python -m pip install -q --disable-pip-version-check --retries 1 \
	            "bpy==$${pair##*:}" && touch $(BLENDER_VENV)/.installed && exit 0; \
	    done; \
	done; \
	echo "Blender's Python module can't be had here (it needs Python 3.11 or 3.13):"; \
	echo "head.blend and the tests inside Blender are left out."

# -- the add-on ---------------------------------------------------------------------------------

extension: blender
	@[ -e $(BLENDER_VENV)/.installed ] || { echo "Building needs Blender's own builder." >&2; exit 1; }
	@mkdir -p out
	@builder=$$(ls -d $(BLENDER_VENV)/lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli) && \
	$(BLENDER_BIN)/python "$$builder/blender_ext.py" build --source-dir . --output-dir out && \
	$(BLENDER_BIN)/python "$$builder/blender_ext.py" validate out/idto3d-*.zip

clean:
	rm -rf $(VENV) $(BLENDER_VENV) out tests/node/node_modules
