"""Fit everything that is fitted, on training rows only: encoder and network.

Reads: balance/train.parquet, split/validation.parquet.
Writes: encoder.json, model.json, weights.safetensors, curves.jsonl, curves.csv, report.json.
Refuses when: a settings key is wrong, or mitigation has no column, one that is not sensitive, or a
task that its method does not know; the budget cannot pay what the settings allow (exit code 3).
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.costs import operations
from pipeline.core.dataset.groups import group_names
from pipeline.core.errors import ProjectError
from pipeline.core.files import read_parquet, replacing, write_json
from pipeline.core.paths import Paths
from pipeline.core.prediction import outcome, prediction
from pipeline.core.prediction.outcome import BINARY, Outcome
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import Unsuitable, nearest
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import of_modality
from pipeline.train.budget.budget import Budget, opened
from pipeline.train.budget.training_cost import foreseen, tell_actual
from pipeline.train.loop import parallel, streaming
from pipeline.train.loop.batches import Part
from pipeline.train.loop.checkpoint import Checkpoint, checkpoint_of
from pipeline.train.loop.penalty import Mitigation, memberships
from pipeline.train.loop.settings import LoopSettings as LoopSettings
from pipeline.train.loop.state import Trained
from pipeline.train.loop.steps import Augment, precision_of
from pipeline.train.loop.training import Watch, fit

SECTIONS = ("columns",)


class Settings(LoopSettings):
    encoder: Annotated[Any, of_modality("EncoderSettings")] = Field(default_factory=dict)
    """How columns become numbers; the keys are the modality's."""
    network: Annotated[Any, of_modality("NetworkSettings")] = Field(default_factory=dict)
    """The network's shape; the keys are the modality's."""
    augmentation: Annotated[Any, of_modality("AugmentationSettings")] = Field(default_factory=dict)
    """How training rows are changed at random in each pass; the keys are the modality's."""
    budget: Budget = Budget()
    """What a training may cost: one that is forecast to cost more is refused before it starts, one
    that has cost it stops with its best weights."""

    stream: streaming.Mode = "auto"
    """Whether training rows are read from disk in each pass, a part at a time: `auto` does where
    they need more than `memory_budget_mb`. The encoder is then fitted to a sample of them."""
    memory_budget_mb: int = Field(4096, ge=1, json_schema_extra={"unit": "MiB"})
    """Memory for training rows, beside what the program and the network take."""

    @property
    def is_mitigated(self) -> bool:
        return self.mitigation.strength > 0 or self.mitigation.method != "penalty"

    @model_validator(mode="after")
    def _mitigated_as_a_whole(self) -> "Settings":
        if self.stream == "always" and self.is_mitigated:
            raise Unsuitable(
                "expected `stream: never` or `auto` with `mitigation`, which needs all rows in "
                "memory, got always",
                "take out `train.stream`, or mitigate in `balance` or `calibrate`",
            )
        if self.num_processes > 1 and self.is_mitigated:
            raise Unsuitable(
                "expected `num_processes: 1` with `mitigation`, which compares the groups of whole "
                f"batches, got {self.num_processes}",
                "set `train.num_processes: 1`, or mitigate in `balance` or `calibrate`",
            )
        return self


def run(project: Project[Settings], paths: Paths) -> None:
    import torch

    settings, columns = project.settings, project.columns
    if settings.num_processes > 1 and not parallel.is_worker():
        return parallel.launch(paths, settings.num_processes)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = checkpoint_of(project, paths, device)
    ledger = opened(checkpoint.folder, settings.budget, paths.root)
    encoding = part(project.modality, "model.encoding")
    source = training_rows(project, paths)
    train = source.fitted
    validation = read_parquet(paths.input("split", "validation.parquet"))
    mitigated = mitigated_columns(settings.mitigation, columns)
    encoder = encoding.fit(train, columns, settings.encoder)
    classes = source.targets(columns.target) if columns.task == "multiclass" else train
    predicted = outcome.fit(classes, columns)
    model = part(project.modality, "model.architecture")
    architecture = model.architecture(encoder, settings.network, predicted.num_outputs)
    augment = part(project.modality, "model.augmentation").augmenter(settings.augmentation, encoder)
    torch.manual_seed(settings.seed)
    network = model.build(architecture)
    of_groups = () if source.is_streamed else mitigated
    rows = source.rows(lambda some: tensors(some, encoder, columns, of_groups, predicted))
    others = tensors(validation, encoder, columns, mitigated, predicted)
    each = operations.per_row(network, rows.inputs)
    expected = foreseen(network, rows, others, settings, checkpoint, ledger, augment)
    trained = learn(
        network,
        rows,
        others,
        [group_names(table, mitigated, columns) for table in (train, validation) if mitigated],
        settings,
        checkpoint,
        paths.output("curves.jsonl"),
        augment,
        ledger.watch,
    )
    if parallel.rank():
        return None
    tell_actual(expected, ledger, trained)
    network = model.mixed(architecture, trained.mixture)
    prediction.save(paths.output(""), encoder, network, trained.weights, predicted)
    with replacing(paths.output("curves.csv")) as temporary:
        pl.DataFrame(trained.progress.curve).write_csv(temporary)
    found = report(source.num_rows, validation.height, trained, settings) | source.facts()
    num_passes = len(trained.progress.curve)
    found["operations"] = operations.of_training(
        each, source.num_rows, validation.height, num_passes
    )
    found["missing"] = encoding.gaps(train, encoder)
    write_json(paths.output("report.json"), found)
    checkpoint.delete()
    return None


def training_rows(project: Project[Settings], paths: Paths) -> streaming.Source:
    """What balance wrote, in memory or streamed; mitigation needs all rows at once."""
    settings, columns = project.settings, project.columns
    encoding = part(project.modality, "model.encoding")
    return streaming.opened(
        paths.input("balance", "train.parquet"),
        "never" if settings.is_mitigated else settings.stream,
        settings.memory_budget_mb,
        lambda rows: row_bytes(rows, encoding.fit(rows, columns, settings.encoder), columns),
    )


def learn(
    network: Any,
    train: Part,
    validation: Part,
    groups: list[pl.Series],
    settings: Settings,
    checkpoint: Checkpoint,
    curve_file: Path,
    augment: Augment | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Train by the method of mitigation; `groups` are those of training and validation rows."""
    if settings.mitigation.method == "penalty":
        best, progress = fit(
            network,
            train,
            validation,
            settings,
            checkpoint,
            curve_file,
            augment=augment,
            watch=watch,
        )
        return Trained(best, progress)
    if settings.mitigation.method == "adversarial":
        from pipeline.train.mitigation import adversary

        return adversary.oppose(
            network, train, validation, groups, settings, checkpoint, curve_file, augment, watch
        )
    from pipeline.train.mitigation import reductions

    return reductions.reduce(
        network, train, validation, groups, settings, checkpoint, curve_file, augment, watch
    )


def mitigated_columns(mitigation: Mitigation, columns: Columns) -> tuple[str, ...]:
    """The sensitive columns whose gaps training makes smaller."""
    named = columns.sensitive if mitigation.columns is None else mitigation.columns
    method = mitigation.method
    if method != "penalty" and columns.task != "binary":
        raise ProjectError(
            f"train.mitigation.method: expected penalty for a {columns.task} task, got {method}",
            hint="Fairlearn's learners are for two classes; the penalty is for every task",
        )
    if mitigation.constraint != "demographic_parity" and columns.task != "binary":
        raise ProjectError(
            f"train.mitigation.constraint: expected demographic_parity for a {columns.task} task, "
            f"got {mitigation.constraint}",
            hint="the others compare the errors of decisions between two classes",
        )
    if not named and (method != "penalty" or mitigation.strength > 0):
        what = (
            f"strength is {mitigation.strength:g}" if method == "penalty" else f"method is {method}"
        )
        raise ProjectError(
            f"train.mitigation.{what}: expected sensitive columns whose gaps it makes smaller, "
            "found none",
            hint="name them under `columns.sensitive`, or take the mitigation out",
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
    mitigated: tuple[str, ...],
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
        memberships(table, mitigated, columns),
        predicted.task,
        torch.from_numpy(positions(table)),
    )


def row_bytes(table: pl.DataFrame, encoder: Any, columns: Columns) -> int:
    """What a row takes as tensors."""
    return tensors(table, encoder, columns, (), outcome.fit(table, columns)).row_bytes


def positions(table: pl.DataFrame) -> NDArray[np.int64]:
    """Each row's number in the delivered data, -1 of a row that `balance` made."""
    if "_row" not in table.columns:
        return np.arange(table.height)
    return table["_row"].cast(pl.Int64).fill_null(-1).to_numpy(writable=True)


def report(
    num_train: int, num_validation: int, trained: Trained, settings: Settings
) -> dict[str, Any]:
    """What was trained, for the report: sizes, settings, where it stopped, how gaps were closed."""
    progress, mitigation = trained.progress, settings.mitigation
    facts = {"method": mitigation.method, "constraint": mitigation.constraint, **trained.facts}
    told = {**settings.model_dump(mode="json"), "mitigation": mitigation.in_force()}
    return {
        "num_train_rows": num_train,
        "num_validation_rows": num_validation,
        "num_parameters": sum(value.numel() for value in trained.weights.values()),
        "num_epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_validation_loss": progress.best_loss,
        "stopped": progress.stopped,
        "precision": precision_of(settings),
        "mitigation": facts,
        "settings": told,
    }
