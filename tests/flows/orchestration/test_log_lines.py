"""A log that grows, as people read it."""

from pathlib import Path

import pytest

from flows.orchestration.log_lines import LogLines, every, plain


def test_each_line_comes_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = LogLines(log)
    assert lines.new() == []  # not there yet

    log.write_text("one\ntw")
    assert lines.new() == ["one"]
    with log.open("a") as stream:
        stream.write("o\n\nthree")
    assert lines.new() == ["two"]
    assert lines.new() == []
    assert lines.new(is_whole=True) == ["three"]
    assert lines.new(is_whole=True) == []


def test_a_character_that_is_cut_in_two_comes_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    word = "größer\n".encode()
    lines = LogLines(log)

    log.write_bytes(word[:3])
    assert lines.new() == []
    log.write_bytes(word)
    assert lines.new() == ["größer"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("epoch 1\repoch 2\repoch 3", "epoch 3"),
        ("epoch 1\repoch 2\r", "epoch 2"),
        ("\x1b[32mgreen\x1b[0m  ", "green"),
        ("\r\r", ""),
        ("windows\r", "windows"),
    ],
)
def test_of_a_progress_bar_the_last_state_counts(line: str, shown: str) -> None:
    assert plain(line) == shown


def test_the_last_look_is_after_the_end() -> None:
    looks: list[bool] = []

    with every(looks.append, seconds=3600):
        assert looks == []

    assert looks == [True]
