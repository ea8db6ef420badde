# SPDX-License-Identifier: GPL-3.0-or-later
"""The job folder: the one thing that Blender and the worker share.

`protocol`, `eventlog` and `lock` use the standard library only, because Blender imports them too;
`checkpoints` and `worker` belong to the backend.
"""

from idto3d.job.protocol import Cancelled, JobFolder, Request

__all__ = ["Cancelled", "JobFolder", "Request"]
