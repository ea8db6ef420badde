# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is asked to do: frozen settings and the presets draft, standard, paper."""

# One unit of the optimiser's cube in metres; a head with its neck lies inside [-0.5, 0.5]^3.
HEAD_METRES = 0.36
