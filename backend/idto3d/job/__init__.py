# SPDX-License-Identifier: GPL-3.0-or-later
"""The job folder: the one thing that Blender and the worker share.

`protocol`, `eventlog` and `lock` use the standard library only and import one another relatively,
because Blender imports them too, under another package; the other modules belong to the backend.
"""

from .protocol import Cancelled, JobFolder, Request

__all__ = ["Cancelled", "JobFolder", "Request"]
