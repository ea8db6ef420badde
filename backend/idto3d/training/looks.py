# SPDX-License-Identifier: GPL-3.0-or-later
"""Random looks of synthetic people, and the captions that describe them."""

import numpy as np

from idto3d.prior.captions import portrait_caption
from idto3d.texture.paint import Look

# sRGB skin tones from very pale to very dark, with the words captions use for them.
TONES = (
    np.array(
        [
            [246, 214, 188],
            [233, 190, 156],
            [214, 163, 126],
            [188, 132, 96],
            [146, 96, 66],
            [104, 66, 46],
            [70, 46, 36],
        ]
    )
    / 255.0
)
TONE_WORDS = ("very pale", "pale", "light brown", "tan", "brown", "dark brown", "very dark")
HAIR = {
    "black": (28, 22, 20),
    "dark brown": (52, 36, 26),
    "brown": (88, 58, 36),
    "light brown": (140, 98, 58),
    "blond": (190, 152, 98),
    "red": (120, 56, 30),
    "grey": (150, 148, 146),
}
IRISES = np.array(
    [[70, 44, 26], [52, 34, 22], [94, 120, 146], [98, 110, 72], [120, 92, 52], [84, 98, 110]]
) / 255.0  # fmt: skip


def sample_look(random: np.random.Generator, gender: float, age: float) -> tuple[Look, dict]:
    """A look and its words. gender 0 female .. 1 male and age 0.5 young .. 1 old shape the odds."""
    tone = random.uniform(0, len(TONES) - 1)
    low = min(int(tone), len(TONES) - 2)
    skin = TONES[low] + (TONES[low + 1] - TONES[low]) * (tone - low)
    skin = np.clip(skin * (1 + random.normal(0, 0.025, 3)), 0, 1)
    dark = tone > 3.2
    names = ["black", "black", "dark brown"] if dark else list(HAIR)[:6]
    colour = str(random.choice(names))
    if age > 0.8 and random.random() < 0.6:
        colour = "grey"
    male = gender > 0.5
    bald = male and random.random() < 0.18
    cropped = not bald and random.random() < (0.35 if male else 0.1)
    beard = float(random.uniform(0.25, 0.8)) if male and random.random() < 0.4 else 0.0
    iris = IRISES[random.choice([0, 1])] if dark else IRISES[random.integers(len(IRISES))]
    look = Look(
        skin=tuple(skin),
        hair=tuple(np.array(HAIR[colour]) / 255.0 * random.uniform(0.8, 1.2)),
        iris=tuple(iris),
        hairline=float(random.normal(0.3 * (age > 0.8 and male), 0.5)),
        temple=float(random.uniform(0.3, 1.6) if male else random.uniform(0, 0.7)),
        hair_amount=0.0 if bald else 0.55 if cropped else 1.0,
        hair_thickness=0.0 if bald else 0.15 if cropped else float(random.uniform(0.5, 2.0)),
        brow_width=float(random.uniform(0.7, 1.3) * (1.1 if male else 0.9)),
        brow_amount=float(random.uniform(0.45, 0.95)),
        lip_redness=float(random.uniform(0.1, 0.5) + (0.0 if male else 0.3)),
        blush=float(random.uniform(0, 0.5)),
        beard=beard,
        freckles=float(random.uniform(0.2, 0.7)) if tone < 2.5 and random.random() < 0.2 else 0.0,
        spots=float(random.uniform(0, 0.3)),
        variation=float(random.uniform(0.6, 1.5)),
        seed=int(random.integers(1 << 20)),
    )
    hair = "no hair" if bald else f"{'cropped' if cropped else 'full'} {colour} hair"
    words = {
        "age": "young" if age < 0.68 else "middle aged" if age < 0.84 else "old",
        "gender": "man" if male else "woman",
        "tone": TONE_WORDS[int(round(tone))],
        "hair": hair,
        "beard": "a beard" if beard > 0.45 else "stubble" if beard > 0 else "",
    }
    return look, words


def caption(view: str, words: dict, keep: np.ndarray) -> str:
    """The paper's caption; `keep` (5,) bool drops single attributes, as real captions do."""
    age, gender, tone, hair, beard = (
        words[name] if kept else ""
        for name, kept in zip(("age", "gender", "tone", "hair", "beard"), keep, strict=True)
    )
    person = " ".join(word for word in (age, gender or "person") if word)
    # What was put on is always named: nobody who isn't asked to should wear it.
    details = [f"{tone} skin" if tone else "", hair, beard, *words.get("worn", "").split(" and ")]
    traits = " and ".join(detail for detail in details if detail)
    return portrait_caption(view, person, traits)
