"""What the help texts tell people to type works on the project that comes with the repository."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flows.cli.main import cli
from flows.settings.project_file import apply
from pipeline.core.errors import ProjectError
from tests.flows.conftest import SOURCE

PROJECT_FILE = Path("data/adult/project.yaml")


def examples(text: str) -> list[str]:
    """Every `--set SECTION.KEY=VALUE` in a text."""
    return re.findall(r"--set ([a-z_.]+=[^\s`]+)", text)


def help_texts() -> Iterator[str]:
    """The help of the command line and of each of its commands, as people see it."""
    context = click.Context(cli, info_name="hallmark")
    yield cli.get_help(context)
    for name, command in cli.commands.items():
        yield command.get_help(click.Context(command, context, name))


@pytest.fixture
def adult(tmp_path: Path) -> Path:
    """A checkout that has no more than the settings of the project adult."""
    (tmp_path / PROJECT_FILE.parent).mkdir(parents=True)
    for source in (Path("params.yaml"), PROJECT_FILE):
        shutil.copy(SOURCE / source, tmp_path / source)
    return tmp_path


def test_each_set_of_the_help_is_one_that_the_settings_know(adult: Path) -> None:
    found = [example for text in help_texts() for example in examples(text)]

    assert len(found) >= 2
    for example in found:
        assert [change.key for change in apply(adult, "adult", (example,))] == [
            example.partition("=")[0]
        ]


def test_the_example_in_the_hint_of_set_is_one_that_the_settings_know(adult: Path) -> None:
    with pytest.raises(ProjectError) as refused:
        apply(adult, "adult", ("train",))

    (example,) = examples(refused.value.hint)
    assert [change.new for change in apply(adult, "adult", (example,))] == ["40"]
