"""Check the snapshot, and what cleaning makes of it, against the data contract.

Reads: the snapshot, contract.json (both parts), the rules of `clean`.
Writes: report.json, with every expectation's outcome; counts, never values.
Refuses when: the contract is not one, project.yaml names other columns than contract and snapshot,
or a critical expectation is broken; it says what changed, once for each cause.
"""

from typing import Any

from pipeline.core.cleaning.rules import Cleaning
from pipeline.core.contract.contract import load_contract
from pipeline.core.files import read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.validate.contract_causes import Comparison, compare, refuse

SECTIONS = ("columns", "clean")
MODELS = {"clean": Cleaning}


class Settings(Frozen):
    """The contract says everything; there is nothing to set."""


def run(project: Project[Settings], paths: Paths) -> None:
    name = f"data/{project.name}/contract.json"
    given = project.shared["clean"]
    assert isinstance(given, Cleaning)  # noqa: S101 -- narrows the type, checks no input
    found = compare(
        read_parquet(paths.input("ingest", "snapshot.parquet")),
        load_contract(paths.home / "contract.json", name),
        project.columns,
        given.rules,
        project.modality,
        project.name,
    )
    refuse(found, project.name)
    write_json(paths.output("report.json"), report(found))


def report(found: Comparison) -> dict[str, Any]:
    """The part `delivered` as it was checked, and beside it `prepared` and what warns, by cause."""
    return {
        **found.reports["delivered"],
        "prepared": found.reports["prepared"],
        "causes": [cause.as_dict() for cause in found.causes],
    }
