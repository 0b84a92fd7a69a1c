"""One command per stage, `hallmark train adult`: the same as `python -m pipeline train adult`."""

import ast
import os
import sys
from pathlib import Path

import click

import pipeline
from flows.checkout import find_root
from pipeline.core.paths import READING_ORDER


def stage_commands() -> list[click.Command]:
    """A command for each stage whose module exists, in reading order; nothing is imported."""
    folder = Path(pipeline.__file__).parent
    return [
        _command(stage, docstring(folder / f"{stage}.py"))
        for stage in READING_ORDER
        if (folder / f"{stage}.py").is_file()
    ]


def docstring(module: Path) -> str:
    """A module's docstring, read and not run."""
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""


def _command(stage: str, text: str) -> click.Command:
    @click.argument("project")
    def run(project: str) -> None:
        from pipeline.core.runner import main

        os.chdir(find_root(Path.cwd()))
        sys.exit(main((stage, project)))

    paragraphs = [f"\b\n{paragraph}" for paragraph in text.split("\n\n")]
    example = (
        f"\b\nRuns in this process and past DVC, to look into one stage:\n  hallmark {stage} adult"
    )
    return click.command(
        stage, help="\n\n".join([*paragraphs, example]), short_help=text.partition("\n")[0]
    )(run)
