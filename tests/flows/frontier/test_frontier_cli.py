"""`hallmark frontier` as people meet it."""

import pytest

from flows.cli.main import main
from flows.frontier.drive import Wish
from tests.flows.conftest import Tiny
from tests.flows.frontier.frontiers import request, typed

__all__ = ["typed"]
pytestmark = [
    pytest.mark.usefixtures("typed"),
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def wishing(monkeypatch: pytest.MonkeyPatch, tiny: Tiny, *values: int) -> None:
    """The command line asks for these points, in the tiny repository."""
    monkeypatch.chdir(tiny.root)
    wish = Wish(request(tiny, *values), "accuracy")
    monkeypatch.setattr("flows.frontier.drive.wish_of", lambda *_: wish)


def test_the_chosen_point_is_told_and_written_on_request_alone(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wishing(monkeypatch, tiny, 20, 50)
    before = tiny.settings.read_text()

    assert run("frontier", "tiny", "--engine") == 0
    first = capsys.readouterr().out
    assert tiny.settings.read_text() == before

    assert run("frontier", "tiny", "--engine", "--write") == 0
    second = capsys.readouterr().out

    assert "value 50 ★" in first
    assert "chosen: value 50\n  train.value=50" in first
    assert "measured on 500 validation rows" in first
    assert "plot: .local/frontier/tiny/frontier.html" in first
    assert "0 trained, 2 from the cache or on record" in second
    assert "it cost nothing" in second
    assert "data/tiny/project.yaml: train.value 10 → 50" in second
    assert "`hallmark build tiny` opens the test part for this choice" in second
    assert tiny.settings.read_text() == before.replace("train:\n  value: 10", "train:\n  value: 50")


def test_none_passes_is_exit_code_3_with_the_nearest_and_writes_nothing(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wishing(monkeypatch, tiny, 20, 30)
    before = tiny.settings.read_text()

    assert run("frontier", "tiny", "--engine", "--write") == 3

    told = capsys.readouterr().out
    assert "None of 2 points would pass on validation rows; the nearest is value 30" in told
    assert "the gap is 0.15" in told
    assert "nothing written" in told
    assert tiny.settings.read_text() == before


def test_what_is_asked_for_wrongly_is_named(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiny.root)

    assert run("frontier", "tinny") == 2
    assert "did you mean `tiny`" in capsys.readouterr().err
    assert run("frontier", "tiny", "--budget", "0") == 2
    assert "--budget" in capsys.readouterr().err


def test_the_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("frontier", "--help") == 0

    told = capsys.readouterr().out
    for words in ("hallmark frontier adult --write", "points:", "Exit codes:", "validation"):
        assert words in told
