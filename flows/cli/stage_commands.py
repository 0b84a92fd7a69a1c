"""One command per stage, `hallmark train adult`: the same as `python -m pipeline train adult`."""

import os
import sys
from pathlib import Path

import click

from flows.engine.checkout import find_root
from flows.settings.stage_docs import docstring
from pipeline.core.paths import READING_ORDER


def stage_commands() -> list[click.Command]:
    """A command for each stage, in reading order; nothing is imported."""
    return [_command(stage, docstring(stage)) for stage in READING_ORDER]


def _command(stage: str, text: str) -> click.Command:
    @click.argument("project")
    def run(project: str) -> None:
        from pipeline.core.run.runner import main

        os.chdir(find_root(Path.cwd()))
        sys.exit(main((stage, project)))

    paragraphs = [f"\b\n{paragraph}" for paragraph in text.split("\n\n")]
    example = (
        f"\b\nRuns in this process and past DVC, to look into one stage:\n  hallmark {stage} adult"
    )
    return click.command(
        stage, help="\n\n".join([*paragraphs, example]), short_help=text.partition("\n")[0]
    )(run)
