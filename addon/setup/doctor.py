# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor found: the backend's report with what only Blender knows, and its redaction.

No bpy, and no part of the backend: it may be the backend that is ill.
"""

import getpass
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One check."""

    name: str
    state: str  # ok; warn: works, but less well; fail: no head can be made
    found: str  # the evidence
    remedy: str = ""
    repair: bool = False  # the button Repair is the remedy


def blender_findings(version: str, online: bool, backend_problem: str) -> list[Finding]:
    """What can be told without starting the backend.

    Args:
        version: Blender's.
        online: whether Blender's online access is on; only a set-up needs it.
        backend_problem: a sentence, or "".
    """
    access = "online access is on" if online else "online access is off (only the set-up needs it)"
    cause, _, remedy = backend_problem.partition(". ")
    backend = (
        Finding("Backend", "fail", cause, remedy)
        if backend_problem
        else Finding("Backend", "ok", "is there")
    )
    return [Finding("Blender", "ok", f"{version}, {access}"), backend]


def read_report(report: Any, own_environment: bool) -> list[Finding]:
    """The backend's report (`idto3d doctor --json`), without what only developers need.

    Args:
        report: the parsed JSON.
        own_environment: it is the add-on's, so the button Repair can mend it.

    Raises:
        ValueError: this is no such report.
    """
    try:
        if report["version"] != 1:
            raise ValueError(f"report version {report['version']}")
        return [
            Finding(
                item["name"],
                item["state"],
                item["found"],
                "Press Repair." if own_environment and item["repair"] else item["remedy"],
                own_environment and item["repair"],
            )
            for item in report["checks"]
            if not item["for_developers"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no report of the doctor: {error!r}") from error


def unable(problem: str, own_environment: bool) -> Finding:
    """The finding when the backend's doctor itself did not work."""
    if "No module named" in problem and "idto3d" in problem:
        remedy = "Choose the Python in whose environment idto3d is installed."
        found = "idto3d is not installed for this Python"
    else:
        remedy, found = "Look into the system console.", f"can't be examined: {problem}"
    if own_environment:
        remedy = "Press Repair."
    return Finding("Backend", "fail", found, remedy, own_environment)


def report_text(findings: Sequence[Finding], home: Path | None = None, user: str = "") -> str:
    """The findings as text for a bug report, without paths of the person's and names.

    Args:
        findings: in their order.
        home: the person's home folder; None: this one's.
        user: the person's name on this machine; "": this one's.
    """
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<4}  {finding.name:<{width}}  {finding.found}")
        if finding.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  -> {finding.remedy}")
    return redact("\n".join(lines), home or Path.home(), user or _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return ""


# A path: a drive or a slash, at least two parts. What is between a report's words and its path may
# be a quote or a bracket.
PATHS = re.compile(r"(?<![\w.~/\\])(?:[A-Za-z]:[\\/]|/|\\\\|~[\\/])[^\s'\"<>|:*?]+")


def redact(text: str, home: Path, user: str) -> str:
    """`text` with `PATH` in place of every absolute path and `USER` in place of the name."""
    if len(str(home)) > 1:
        # First, because a home folder's name may have a space in it, where a path would end.
        text = text.replace(str(home), "~").replace(home.as_posix(), "~")
    text = PATHS.sub("PATH", text)
    if user:
        text = re.sub(rf"(?<!\w){re.escape(user)}(?!\w)", "USER", text)
    return text
