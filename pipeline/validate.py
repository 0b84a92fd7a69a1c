"""Check the snapshot against the data contract, as it was delivered.

Reads: the snapshot, contract.json (its part `delivered`).
Writes: report.json, with every expectation's outcome; counts, never values.
Refuses when: the contract is not one, or the snapshot breaks a critical expectation.
"""

from typing import Any

import polars as pl

from pipeline.core.contract import load_contract
from pipeline.core.expectations import check, refuse_breaches
from pipeline.core.files import read_parquet, write_json
from pipeline.core.paths import Paths
from pipeline.core.project import Frozen, Project

SECTIONS = ()


class Settings(Frozen):
    """The contract says everything; there is nothing to set."""


def run(project: Project[Settings], paths: Paths) -> None:
    name = f"data/{project.name}/contract.json"
    contract = load_contract(paths.home / "contract.json", name)
    snapshot = read_parquet(paths.input("ingest", "snapshot.parquet"))
    write_json(paths.output("report.json"), validated(snapshot, contract, name))


def validated(snapshot: pl.DataFrame, contract: dict[str, Any], name: str) -> dict[str, Any]:
    """The report on the snapshot.

    Raises:
        ContractBreach: a critical expectation failed.
    """
    report = check(snapshot, contract, "delivered", name)
    refuse_breaches(
        report,
        "the delivery",
        hint=f"ask the sender what changed; if the change is right, change {name} and say why in "
        "its meta.notes",
    )
    return report
