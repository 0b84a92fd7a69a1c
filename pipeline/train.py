"""Fit everything that is fitted, on training rows only: encoder and network.

Reads: balance/train.parquet, split/validation.parquet.
Writes: encoder.json, model.json, weights.safetensors, curves.jsonl, curves.csv, report.json.
Refuses when: a settings key is wrong, or the penalty has no column or one that is not
sensitive.
"""

from typing import Annotated, Any

import polars as pl
from pydantic import Field

from pipeline.core import outcome, prediction
from pipeline.core.checkpoint import checkpoint_of
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, replacing, write_json
from pipeline.core.mitigation import memberships
from pipeline.core.modality import part
from pipeline.core.outcome import BINARY, Outcome
from pipeline.core.paths import Paths
from pipeline.core.project import Columns, Project, nearest, of_modality
from pipeline.core.training import LoopSettings, Part, Progress, fit

SECTIONS = ("columns",)


class Settings(LoopSettings):
    encoder: Annotated[Any, of_modality("EncoderSettings")] = Field(default_factory=dict)
    """How columns become numbers; the keys are the modality's."""
    network: Annotated[Any, of_modality("NetworkSettings")] = Field(default_factory=dict)
    """The network's shape; the keys are the modality's."""


def run(project: Project[Settings], paths: Paths) -> None:
    import torch

    settings, columns = project.settings, project.columns
    train = read_parquet(paths.input("balance", "train.parquet"))
    validation = read_parquet(paths.input("split", "validation.parquet"))
    penalised = penalised_columns(settings, columns)
    encoder = part(project.modality, "encoding").fit(train, columns, settings.encoder)
    model = part(project.modality, "model")
    predicted = outcome.fit(train, columns)
    architecture = model.architecture(encoder, settings.network, predicted.num_outputs)
    torch.manual_seed(settings.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = checkpoint_of(project, paths, device)
    best, progress = fit(
        model.build(architecture),
        tensors(train, encoder, columns, penalised, predicted),
        tensors(validation, encoder, columns, penalised, predicted),
        settings,
        checkpoint,
        paths.output("curves.jsonl"),
    )
    prediction.save(paths.output(""), encoder, architecture, best, predicted)
    with replacing(paths.output("curves.csv")) as temporary:
        pl.DataFrame(progress.curve).write_csv(temporary)
    write_json(paths.output("report.json"), report(train, validation, best, settings, progress))
    checkpoint.delete()


def penalised_columns(settings: Settings, columns: Columns) -> tuple[str, ...]:
    """The sensitive columns whose gaps the loss penalises."""
    named = settings.mitigation.columns
    if named is None:
        named = columns.sensitive
    if settings.mitigation.strength > 0 and not named:
        raise ProjectError(
            f"train.mitigation.strength is {settings.mitigation.strength:g}: expected sensitive "
            "columns whose gaps it penalises, found none",
            hint="name them under `columns.sensitive`, or set the strength to 0",
        )
    for name in named:
        if name not in columns.sensitive:
            raise ProjectError(
                f"train.mitigation.columns: expected sensitive columns "
                f"({', '.join(columns.sensitive)}), got {name!r}",
                hint=nearest(name, columns.sensitive),
            )
    return named


def tensors(
    table: pl.DataFrame,
    encoder: Any,
    columns: Columns,
    penalised: tuple[str, ...],
    predicted: Outcome = BINARY,
) -> Part:
    """A part's rows as the training loop takes them. Without weights, each row counts 1."""
    import torch

    weights = (
        table["_weight"] if "_weight" in table.columns else pl.repeat(1, len(table), eager=True)
    )
    return Part(
        tuple(torch.from_numpy(values) for values in encoder.encode(table)),
        torch.from_numpy(predicted.encoded(table, columns)),
        torch.from_numpy(weights.cast(pl.Float32).to_numpy(writable=True)),
        memberships(table, penalised),
        predicted.task,
    )


def report(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    weights: dict[str, Any],
    settings: Settings,
    progress: Progress,
) -> dict[str, Any]:
    """What was trained, for the report: sizes, settings, where it stopped."""
    return {
        "num_train_rows": train.height,
        "num_validation_rows": validation.height,
        "num_parameters": sum(value.numel() for value in weights.values()),
        "num_epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_validation_loss": progress.best_loss,
        "stopped": "patience" if progress.epoch < settings.max_epochs else "max_epochs",
        "settings": settings.model_dump(mode="json"),
    }
