# SPDX-License-Identifier: GPL-3.0-or-later
"""Photo coaching: what is wrong with a photo, in words, and what to do about it."""

from dataclasses import dataclass
from enum import IntEnum
from math import atan, degrees
from pathlib import Path

import numpy as np

from idto3d.identity.quality import Quality


class Severity(IntEnum):
    """How much a finding weighs; the worst one decides over the photo."""

    USABLE = 0
    WARNING = 1
    UNUSABLE = 2


@dataclass(frozen=True)
class Finding:
    """One thing about a photo that its owner should know."""

    kind: str  # "no face", "lying", "several faces", "too small", "cut off", "blurred", "turned",
    #            "under-exposed", "over-exposed", "other person"
    severity: Severity
    reason: str  # goes on after "the photo: "
    advice: str  # one sentence


@dataclass(frozen=True)
class Verdict:
    """What was found about one photo."""

    path: Path
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return max((finding.severity for finding in self.findings), default=Severity.USABLE)

    @property
    def usable(self) -> bool:
        """Whether the photo takes part in the person's identity."""
        return self.severity < Severity.UNUSABLE


@dataclass(frozen=True)
class Limits:
    """Where a measure of `quality.Quality` becomes a warning, and where a photo is left out.

    Set by degrading photos of 13 people and renders of 8 and watching how far dlib's embedding
    drifts. For scale: two good photos of one person are 0.35 apart, of two people 0.64 and more.
    """

    # Eye distance in pixels: at 28 the drift is 0.08, at 12 it is 0.30, at 8 it is 0.50.
    small_eye_distance: float = 28.0
    tiny_eye_distance: float = 12.0
    # Sharpness; blur of 0.05 eye distances (drift 0.33) and of 0.08 (drift 0.5).
    blurred: float = 0.16
    very_blurred: float = 0.09
    # 95th percentile of the luma; evenly lit skin of the darkest tone has 69 and more, and the
    # drift reaches 0.3 at 25.
    dark: float = 55.0
    very_dark: float = 25.0
    # White fraction of the face: 0 in ordinary photos, drift 0.23 at 0.05 and 0.5 at 0.6.
    white: float = 0.05
    very_white: float = 0.6
    # Turned by some 40 degrees: the nose base sideways, or far below eyes that have come near.
    turned_sideways: float = 0.40
    turned_length: float = 0.95
    # No face turned by 45 degrees is longer (1.11), most at 60 are; drift there is 0.5.
    turned_away_length: float = 1.15
    # Tipped back by some 25 degrees: 0.37 to 0.49 at 30 degrees, 0.52 to 0.63 at 15.
    tipped_back_length: float = 0.48
    # A face a quarter outside of the picture drifts by 0.27.
    outside: float = 0.1
    # Another person: so many times the usual distance between the photos, but at least the
    # encoder's `stranger_distance` and at most so many times that.
    stranger_ratio: float = 1.5
    stranger_ceiling: float = 1.2


NO_FACE = Finding(
    "no face",
    Severity.UNUSABLE,
    "no face was found",
    "Choose a sharp photo that shows the whole face from the front, with nothing before it.",
)


# For faces that only the CNN finds: on renders they are turned by 60 degrees and more, where the
# points, and with them chip and embedding, are unreliable (drift 0.5).
HARD_TO_FIND = Finding(
    "turned",
    Severity.WARNING,
    "the face was hard to find, as a strongly turned, covered or blurred one is",
    "Choose a photo that looks towards the camera, with nothing before the face.",
)


def lying_down(degrees: int) -> Finding:
    """The photo was turned clockwise by 90, 180 or 270 degrees to find a face."""
    turn = {90: "a quarter to the right", 180: "upside down", 270: "a quarter to the left"}
    return Finding(
        "lying",
        Severity.WARNING,
        f"a face was found only after turning the photo {turn[degrees]}",
        "If that is wrong, choose another photo.",
    )


def too_few_pixels(width: int, height: int) -> Finding:
    """The whole picture is too small to hold a face."""
    return Finding(
        "too small",
        Severity.UNUSABLE,
        f"it has only {width} x {height} pixels, too few for a face",
        "Choose a photo on which the face is at least 100 pixels wide.",
    )


def several_faces(count: int, place: str, why: str) -> Finding:
    """Which face was taken, such as the one "on the left", "the largest"."""
    return Finding(
        "several faces",
        Severity.WARNING,
        f"it shows {count} faces; the one {place} was taken, {why}",
        "If that is not the person, crop the photo.",
    )


def judge(quality: Quality, limits: Limits) -> tuple[Finding, ...]:
    """Findings on one face from its measures; empty for a good photo."""
    found: list[Finding] = []

    def add(kind: str, unusable: bool, reason: str, advice: str) -> None:
        severity = Severity.UNUSABLE if unusable else Severity.WARNING
        found.append(Finding(kind, severity, reason, advice))

    if quality.eye_distance < limits.small_eye_distance:
        add(
            "too small",
            quality.eye_distance < limits.tiny_eye_distance,
            f"the face is small, the eyes only {quality.eye_distance:.0f} pixels apart",
            "Choose a closer or larger photo, with 50 pixels or more between the eyes.",
        )
    if quality.outside > limits.outside:
        add(
            "cut off",
            False,
            "the face is cut off by the edge of the photo",
            "Choose a photo that shows the whole head.",
        )
    if quality.sharpness < limits.blurred:
        add(
            "blurred",
            quality.sharpness < limits.very_blurred,
            "the face is blurred",
            "Choose a photo in focus; more light and a still hand help.",
        )
    if quality.highlights < limits.dark:
        add(
            "under-exposed",
            quality.highlights < limits.very_dark,
            "the face is under-exposed",
            "Choose a photo with more light on the face.",
        )
    if quality.clipped > limits.white:
        add(
            "over-exposed",
            quality.clipped > limits.very_white,
            f"the face is over-exposed, {quality.clipped:.0%} of it plain white",
            "Choose a photo in softer light, without flash or direct sun.",
        )
    if abs(quality.sideways) > limits.turned_sideways or quality.length > limits.turned_length:
        add(
            "turned",
            quality.length > limits.turned_away_length,
            f"the head is strongly turned, by about {_turn(quality):.0f} degrees",
            "Choose a photo that looks more towards the camera.",
        )
    elif quality.length < limits.tipped_back_length:
        add(
            "turned",
            False,
            "the head is tipped back",
            "Choose a photo taken at the height of the eyes.",
        )
    return tuple(found)


def strangers(embeddings: np.ndarray, floor: float, limits: Limits) -> tuple[int, ...]:
    """Which photos probably show another person than the rest.

    Distances to the medoid (the photo with the least sum of distances) are held against
    `stranger_ratio` times the lower quartile of the others', kept between `floor` and
    `stranger_ceiling` times that: photos of one person in hard poses lie farther apart than
    others, and renders of two people nearer than photos. Of two photos, the second is named.

    Args:
        embeddings: (N, D).
        floor: the encoder's `stranger_distance`.

    Returns:
        Row numbers, ascending.
    """
    if len(embeddings) < 2:
        return ()
    pairs = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=-1)
    medoid = int(pairs.sum(axis=1).argmin())
    usual = float(np.quantile(np.delete(pairs[medoid], medoid), 0.25, method="lower"))
    limit = np.clip(limits.stranger_ratio * usual, floor, limits.stranger_ceiling * floor)
    return tuple(int(row) for row in np.flatnonzero(pairs[medoid] > limit))


def other_person(distance: float) -> Finding:
    """A face far from the others, by its Euclidean distance from them."""
    return Finding(
        "other person",
        Severity.WARNING,
        f"it probably shows another person than the rest (distance {distance:.2f})",
        "Leave it out unless you are sure.",
    )


def _turn(quality: Quality) -> float:
    """Degrees, roughly; fits renders of 8 heads from 15 to 60 degrees (see `quality`)."""
    from_nose = degrees(atan(abs(quality.sideways) / 0.55))
    from_length = degrees(np.arccos(min(1.0, 0.72 / max(quality.length, 1e-6))))
    return round(max(from_nose, from_length) / 5) * 5
