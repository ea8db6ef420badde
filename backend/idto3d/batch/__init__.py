# SPDX-License-Identifier: GPL-3.0-or-later
"""Many heads from one table of people, on this machine or on a Ray cluster."""
