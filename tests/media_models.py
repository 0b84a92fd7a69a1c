"""What serves an image or a text, with a tiny network that nobody trained: files, no stage is run.

The probabilities mean nothing; that they are the model's own is what tests compare.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl
import torch

from pipeline.core.files import write_json
from pipeline.core.paths import Paths, folder_name
from pipeline.core.prediction import prediction
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.project import load_project
from pipeline.core.settings.typed_settings import strictly
from pipeline.package.stage import SECTIONS, Settings, gather
from tests.bento_inputs import ROOT, expectation
from tests.people import SETTINGS, write_yaml

DTYPES = {"image": "Binary", "text": "String"}


def service(
    root: Path,
    modality: str,
    rows: pl.DataFrame,
    columns: dict[str, Any],
    expectations: list[dict[str, Any]],
    rules: list[dict[str, Any]],
    settings: dict[str, Any],
    package: dict[str, Any],
) -> Path:
    """Write what `package` reads for the project `people` of this modality, and what the bento
    holds besides code; return the project's folder. The service's files lie in `bento/src`.

    Args:
        root: An empty folder.
        modality: `image` or `text`.
        rows: Clean rows: of them the encoder is made and the reference of explanations.
        columns: The section `columns`.
        expectations: The contract's part `prepared`.
        rules: The cleaning rules.
        settings: Of `train`: `encoder` and `network`.
        package: The section `package`.
    """
    home = root / "data/people"
    write_yaml(root / "params.yaml", {"projects": {"people": {"modality": modality}}})
    sections = {**SETTINGS, "columns": columns, "clean": {"rules": rules}, "train": settings}
    write_yaml(home / "project.yaml", {**sections, "package": package})
    (root / "requirements.lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    at_least_one = [expectation("expect_table_row_count_to_be_between", min_value=1)]
    prepared = {"name": "prepared", "expectations": [*at_least_one, *expectations]}
    delivered = {"name": "delivered", "expectations": at_least_one}
    write_json(home / "contract.json", {"delivered": delivered, "prepared": prepared})
    model(home / folder_name("train"), modality, rows, strictly(Columns, columns, {}), settings)
    profile = [{"name": columns[modality], "dtype": DTYPES[modality]}]
    contents: dict[str, Any] = {
        "ingest/profile.json": {"columns": profile},
        "clean/rules.json": rules,
        "train/report.json": {"precision": "fp32"},
        "calibrate/policy.json": OutputPolicy(1.0).as_dict(),
        "explain/reference.json": reference(home, modality, rows),
        "gate/verdict.json": {"outcome": "pass"},
    }
    for name, content in contents.items():
        stage, file = name.split("/")
        write_json(home / folder_name(stage) / file, content)
    (home / folder_name("report")).mkdir()
    (home / folder_name("report") / "report.html").write_text("<title>The card</title>")
    project = load_project(root, "people", "package", Settings, SECTIONS)
    gather(project, Paths(root, "people", "package"), home / "bento/src")
    return home


def model(
    folder: Path, modality: str, rows: pl.DataFrame, columns: Columns, settings: dict[str, Any]
) -> None:
    """A network with fresh weights, as `train` saves it."""
    known, named = part(modality, "settings"), part(modality, "model.architecture")
    encoder = part(modality, "model.encoding").fit(
        rows, columns, strictly(known.EncoderSettings, settings["encoder"], {})
    )
    classes = tuple(sorted(rows[columns.target].unique()))
    network = strictly(known.NetworkSettings, settings["network"], {})
    architecture = named.architecture(encoder, network, len(classes))
    torch.manual_seed(0)
    weights = named.build(architecture).state_dict()
    prediction.save(folder, encoder, architecture, weights, Outcome("multiclass", classes))


def reference(home: Path, modality: str, rows: pl.DataFrame) -> dict[str, Any]:
    """What `explain` writes for the service."""
    explanation = part(modality, "evaluation.explanation")
    loaded = prediction.load(home / folder_name("train"), modality)
    values = explanation.reference_of(loaded, rows)
    return {"words": explanation.REFERENCE, "num_steps": 8, "values": values}


def read(home: Path, name: str) -> Any:
    return json.loads((home / "bento/src" / name).read_text())
