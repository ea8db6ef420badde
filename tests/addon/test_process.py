# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the add-on starts: detached, listened to, ended."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.addon import extension

process = extension.load("addon.process")


def python(code: str) -> list[str]:
    """A command that runs `code`."""
    return [sys.executable, "-I", "-c", code]


def test_variables_of_blender_and_python_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/blender")
    monkeypatch.setenv("BLENDER_USER_RESOURCES", "/blender")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    variables = process.clean_environment()
    assert not [name for name in variables if name.startswith(("PYTHON", "BLENDER"))]
    assert variables["HTTPS_PROXY"] == "http://proxy"
    assert variables["OMP_WAIT_POLICY"] == "PASSIVE"


def test_python_problems(tmp_path: Path) -> None:
    text = tmp_path / "python"
    assert process.python_problem(None).startswith("Choose the Python")
    assert process.python_problem(text) == "There is no such file."
    text.write_text("no program")
    assert process.python_problem(text) == "This file is no program."
    assert process.python_problem(Path(sys.executable)) == ""


@pytest.mark.skipif(os.name == "nt", reason="sessions are POSIX's")
def test_started_program_is_in_a_session_of_its_own_and_writes_the_log(tmp_path: Path) -> None:
    log = tmp_path / "job" / "worker.log"
    code = "import os, sys; print(os.getsid(0), os.getcwd()); sys.stderr.write('end')"
    for _ in range(2):
        child = process.start(python(code), log)
        assert child.wait(10.0) == 0
    text = log.read_text()
    assert text.count("end") == 2
    session, folder = text.split("\n")[0].split()
    assert int(session) != os.getsid(0) and folder == str(log.parent)


def test_one_document(tmp_path: Path) -> None:
    listener = process.Listener(python("import json; print(json.dumps({'a': [1]}, indent=2))"))
    assert listener.wait(10.0)
    assert listener.poll() == [{"a": [1]}] and listener.poll() == []
    assert listener.problem() == "" and listener.exit_code == 0


def test_lines_come_as_they_are_printed() -> None:
    code = "import sys\nprint('{\"n\": 1}', flush=True)\nsys.stdin.readline()\nprint('{\"n\": 2}')"
    listener = process.Listener(python(code), lines=True)
    found: list[Any] = []
    until(lambda: found.extend(listener.poll()) or bool(found))
    assert found == [{"n": 1}] and not listener.finished and listener.exit_code is None
    listener.cancel()  # the end of its input lets it go on
    assert listener.wait(10.0) and listener.poll() == [{"n": 2}]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('idto3d: There is no file a.jpg. Check it.')", "There is no file"),
        ("import no_such_thing", "No module named 'no_such_thing'"),
        ("print('hello')", "hello"),
        ("raise SystemExit(3)", "ended with code 3 and said nothing"),
    ],
)
def test_what_went_wrong(code: str, words: str) -> None:
    listener = process.Listener(python(code))
    assert listener.wait(10.0) and listener.poll() == []
    assert words in listener.problem() and not listener.problem().startswith("idto3d")


def test_much_output_on_both_streams_does_not_hang() -> None:
    code = "import sys\nsys.stderr.write('e' * 10**6)\nprint('[' + '1,' * 10**6 + '1]')"
    listener = process.Listener(python(code))
    assert listener.wait(20.0)
    assert len(listener.poll()[0]) == 10**6 + 1
    assert len(listener.errors) <= process.KEPT_ERROR_CHARACTERS


def test_kill() -> None:
    listener = process.Listener(python("import time; time.sleep(60)"))
    assert listener.poll() == []
    listener.kill()
    assert listener.wait(10.0) and listener.exit_code != 0


def test_absent_program(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        process.Listener([str(tmp_path / "absent")])


def until(condition: Any) -> None:
    """Wait until it is true, at most ten seconds."""
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
