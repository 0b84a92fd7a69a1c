"""A bento of the project `people` with all that a rehearsal reads, and what breaks it."""

import json
import textwrap
from pathlib import Path

import polars as pl

from pipeline.core.bento import folder as bento
from pipeline.core.files import write_json, write_parquet
from pipeline.core.paths import Paths
from tests.bento_inputs import as_delivered, write_inputs
from tests.people import people, set_section


def package(root: Path) -> Path:
    """Run `package` in a finished project; return the folder of its bento."""
    from pipeline.core.run.runner import run_stage

    write_inputs(root)
    write_parquet(Paths(root, "people", "ingest").output("snapshot.parquet"), delivered())
    for stage in ("package", "rehearse"):
        set_section(root, stage, {})
    run_stage(root, "package", "people")
    return Paths(root, "people", "package").output("bento")


def delivered() -> pl.DataFrame:
    """The features of all rows, warts and all, in the order of `_row`."""
    return pl.DataFrame(as_delivered(people()))


MEDDLING = """
import os
from pipeline.service.app import App

answer = App.__call__

async def meddled(self, scope, receive, send):
    async def changed(message):
{of_message}
        await send(message)

{of_scope}
    await answer(self, scope, receive, changed)

App.__call__ = meddled
"""


def meddle(folder: Path, of_scope: str = "pass", of_message: str = "pass") -> None:
    """Put statements into a bento's service that change `scope` before, or `message` after, it."""
    entry = folder / bento.SOURCE / bento.ENTRY
    added = MEDDLING.format(
        of_scope=textwrap.indent(of_scope, " " * 4), of_message=textwrap.indent(of_message, " " * 8)
    )
    entry.write_text(entry.read_text(encoding="utf-8") + added, encoding="utf-8")


def start_with(folder: Path, statements: str) -> None:
    """Put statements before all others of a bento's service."""
    entry = folder / bento.SOURCE / bento.ENTRY
    entry.write_text(statements + "\n" + entry.read_text(encoding="utf-8"), encoding="utf-8")


def name_its_model(folder: Path) -> None:
    """Make a changed bento's proof name the model that it holds now."""
    source = folder / bento.SOURCE
    proof = json.loads((source / bento.PROOF).read_text())
    proof["model_digest"] = bento.model_digest(source / bento.MODEL)
    write_json(source / bento.PROOF, proof)
