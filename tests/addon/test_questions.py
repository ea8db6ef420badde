# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender asks the backend beside jobs, and how the answers are put into words."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.addon import extension, mock_worker
from tests.addon.mock_backend import MockBackend

questions = extension.load("addon.questions")
process = extension.load("addon.process")
vocabulary = extension.load("addon.vocabulary")

needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the mock is a shell script")


def answered(question: Any) -> None:
    end = time.time() + 5.0
    while not question.poll():
        assert time.time() < end
        time.sleep(0.01)


@needs_sh
def test_verdicts_of_photos(tmp_path: Path) -> None:
    mock = MockBackend(tmp_path)
    question = questions.Question(lambda words: process.Listener(mock.command(*words)))
    question.ask(["check", "--json", "/good.png", "/soft.png", "/bad.png"])
    assert question.running and question.answer is None
    answered(question)
    assert not question.running and question.problem == ""
    found = questions.photo_verdicts(question.answer)
    assert [found[f"/{name}.png"].verdict for name in ("good", "soft", "bad")] == [
        "USABLE",
        "WARNING",
        "UNUSABLE",
    ]
    assert found["/bad.png"].findings == "The face is blurred. Choose a photo in focus."
    assert found["/good.png"].findings == ""


@needs_sh
def test_a_new_question_replaces_the_old(tmp_path: Path) -> None:
    mock = MockBackend(tmp_path)
    mock.play("done", think=30.0)
    question = questions.Question(lambda words: process.Listener(mock.command(*words)))
    question.ask(["estimate", "--preset", "draft"])
    question.ask(["check", "--json", "/a.png"])
    answered(question)
    assert [row["path"] for row in question.answer["photos"]] == ["/a.png"]


def test_no_backend_is_a_problem_not_a_crash() -> None:
    def refuse(words: object) -> None:
        raise RuntimeError("The backend is not set up.")

    question = questions.Question(refuse)
    question.ask(["check"])
    assert question.problem == "The backend is not set up." and not question.running
    assert not question.poll()


@needs_sh
def test_a_program_that_fails_says_why() -> None:
    question = questions.Question(
        lambda words: process.Listener(["/bin/sh", "-c", "echo idto3d: No prior. >&2; exit 2"])
    )
    question.ask([])
    answered(question)
    assert question.answer is None and question.problem == "No prior."


def test_forecast_in_words() -> None:
    answer = mock_worker.estimate(["estimate", "--preset", "draft"], {})
    lines = questions.forecast_lines(answer)
    assert lines[0] == "1 min to 2 min"
    assert lines[1] == "2.0 GB of memory, 20 MB of disk"
    assert questions.shortage(answer) == ""
    assert "Only 1.0 GB of memory" in questions.shortage({**answer, "free_memory": 1e9})
    assert "Only 5 MB of disk" in questions.shortage({**answer, "free_disk": 5e6})
    unknown = mock_worker.estimate(["estimate"], {"known": False})
    assert questions.forecast_lines(unknown) == ["Not known."]
    assert questions.shortage(unknown) == ""


@pytest.mark.parametrize(
    ("seconds", "words", "running"),
    [(3.0, "5 s", "0:03"), (41.0, "40 s", "0:41"), (200.0, "3 min", "3:20"),
     (7800.0, "2 h 10 min", "2:10:00"), (3600.0, "1 h", "1:00:00")],
)  # fmt: skip
def test_durations(seconds: float, words: str, running: str) -> None:
    assert questions.duration(seconds) == words
    assert questions.clock(seconds) == running


def test_sets_of_expressions() -> None:
    sets = vocabulary.SETS
    assert [len(sets[name]) for name in ("NONE", "3", "6", "13")] == [0, 3, 6, 13]
    for names in sets.values():
        assert set(names) <= set(vocabulary.NAMES) and len(set(names)) == len(names)
    assert "neutral" not in vocabulary.NAMES
    assert vocabulary.EXPRESSIONS[2].label == "Jaw Open"
