# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception whose text is written for the person at the screen."""

import zipfile
import zlib

# What numpy raises for an .npz file that is missing, cut short or damaged.
UNREADABLE_NPZ = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


class UserError(Exception):
    """Bad input or a missing resource: one sentence with the cause, one with the way out.

    The command line prints the text and exits with code 2; the worker sends it as an `error`
    event. A traceback goes to the log only.
    """
