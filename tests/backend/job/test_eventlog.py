# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers follow the log while it grows, is cut off in a line, or is begun anew."""

import os
from pathlib import Path

from idto3d.job.eventlog import POLL_BYTES, EventReader, EventWriter, read_all
from idto3d.job.protocol import Done, Progress, Status, encode


def test_reader_gets_each_message_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.poll() == []
    with EventWriter(path) as writer:
        writer.write(Status("a"))
        assert reader.poll() == [Status("a")]
        assert reader.poll() == []
        writer.write(Progress("s", 1, 2))
        writer.write(Done("x"))
    assert reader.poll() == [Progress("s", 1, 2), Done("x")]
    assert reader.skipped == 0


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = (encode(Status("grüße"), 0.0) + "\n").encode()
    reader = EventReader(path)
    for cut in range(1, len(line)):  # also in the middle of a character of two bytes
        path.write_bytes(line[:cut])
        assert reader.poll() == []
    path.write_bytes(line)
    assert reader.poll() == [Status("grüße")]
    assert reader.skipped == 0


def test_line_cut_off_by_a_kill_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write(Status("before"))
    with open(path, "ab") as file:
        file.write(b'{"type": "status", "te')
    with EventWriter(path) as writer:
        writer.write(Status("after"))
    reader = EventReader(path)
    assert reader.poll() == [Status("before"), Status("after")]
    assert reader.skipped == 1


def test_shorter_log_is_another_jobs(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as writer:
        writer.write(Status("a long first log"))
    reader = EventReader(path)
    reader.poll()
    path.unlink()
    with EventWriter(path) as writer:
        writer.write(Status("b"))
    assert reader.poll() == [Status("b")]


def test_long_log_is_read_in_portions(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    messages = [Progress("stage", step, 9000, 1.5, {"loss": 0.5}) for step in range(9000)]
    path.write_text("".join(encode(message, 0.0) + "\n" for message in messages))
    assert os.stat(path).st_size > 2 * POLL_BYTES
    reader = EventReader(path)
    first = reader.poll()
    assert 0 < len(first) < len(messages)
    assert not reader.at_end()
    assert read_all(path) == messages
