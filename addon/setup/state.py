# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs at this moment for the preferences page; it is gone when Blender ends. No bpy."""

from dataclasses import dataclass, field

from ..process import Listener
from .doctor import Finding
from .session import Session


@dataclass
class State:
    """One set-up and one doctor at a time."""

    session: Session | None = None  # the last one, running or ended
    doctor: Listener | None = None  # while it examines
    findings: list[Finding] = field(default_factory=list)  # of the last examination

    @property
    def busy(self) -> bool:
        """True while a set-up or the doctor is at work."""
        return self.doctor is not None or (self.session is not None and self.session.running)


STATE = State()
