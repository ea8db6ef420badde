# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes and keeps the backend's environment: a program of its own, started by Blender.

Standard library only, no bpy: it runs in a child process, says what it does in JSON lines
(`messages`), and ends when its input is closed. Everything it makes is in one folder (`layout`).
"""
