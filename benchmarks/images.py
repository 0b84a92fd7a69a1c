"""The field's reference network and the modern one beside each other, at equal cost.

    PYTHONPATH=. python benchmarks/images.py               both, one seed
    PYTHONPATH=. python benchmarks/images.py --seeds 3     each with seeds 0, 1 and 2

Both are trained by the pipeline's loop on the training part of `fashion` and measured on its
validation part, which also chooses the best epoch of each; the test part is the gate's. The modern
one has the project's settings, the reference those of the tutorials: Adam, batches of 32, ten
epochs. Cost is multiply-adds, which torch counts in one step forward and back, and processor
seconds of a whole training on one thread. Needs `fashion` built as far as `balance`.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.paths import Paths
from pipeline.core.prediction import outcome
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.sections import section
from pipeline.core.settings.yaml_files import read_yaml
from pipeline.core.statistics.intervals import wilson
from pipeline.image.model import architecture as model
from pipeline.image.model import augmentation, encoding
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.training import fit
from pipeline.train.stage import Settings, tensors

ROOT = Path(__file__).parents[1]
SOURCE = Path("data/fashion/project.yaml")
REFERENCE: dict[str, Any] = {
    "network": {"architecture": "reference"},
    "optimizer": "adam",
    "batch_size": 32,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "max_epochs": 10,
    "patience": 10,
}


@dataclass(frozen=True)
class Data:
    """What both learn from."""

    columns: Columns
    predicted: Outcome
    train: pl.DataFrame
    validation: pl.DataFrame


@dataclass(frozen=True)
class Result:
    """One training: which validation rows are decided right, and what it cost."""

    hits: NDArray[np.float64]
    num_parameters: int
    forward_madds: float
    train_madds: float
    seconds: float


def data_of(columns: Columns) -> Data:
    paths = Paths(ROOT, "fashion", "train")
    train = pl.read_parquet(paths.input("balance", "train.parquet"))
    validation = pl.read_parquet(paths.input("split", "validation.parquet"))
    return Data(columns, outcome.fit(train, columns), train, validation)


def trained(data: Data, settings: Settings) -> Result:
    """Train as the stage does, from its seed on."""
    encoder = encoding.fit(data.train, data.columns, settings.encoder)
    described = model.architecture(encoder, settings.network, data.predicted.num_outputs)
    torch.manual_seed(settings.seed)
    network = model.build(described)
    parts = [
        tensors(table, encoder, data.columns, (), data.predicted)
        for table in (data.train, data.validation)
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        best, progress = fit(
            network,
            parts[0],
            parts[1],
            settings,
            Checkpoint(Path(folder) / "checkpoint"),
            Path(folder) / "curves.jsonl",
            augment=augmentation.augmenter(settings.augmentation, encoder),
        )
        seconds = time.process_time() - start
    network = model.build(described)
    network.load_state_dict(best)
    network.eval()
    forward, step = counted(network, parts[0].inputs[0][:8])
    with torch.inference_mode():
        found = torch.cat([network(rows) for rows in parts[1].inputs[0].split(512)])
    return Result(
        (found.argmax(dim=1) == parts[1].labels).double().numpy(),
        sum(one.numel() for one in network.parameters()),
        forward,
        step * len(data.train) * progress.epoch,
        seconds,
    )


def counted(network: Any, pixels: torch.Tensor) -> tuple[float, float]:
    """Multiply-adds of an image forward, and forward and back; a multiply-add is two operations."""
    with FlopCounterMode(display=False) as forward:
        outputs = network(pixels)
    with FlopCounterMode(display=False) as back:
        outputs.sum().backward()
    flops = forward.get_total_flops(), back.get_total_flops()
    return flops[0] / 2 / len(pixels), sum(flops) / 2 / len(pixels)


def line(name: str, results: list[Result]) -> str:
    accuracy = [float(one.hits.mean()) for one in results]
    mean = float(np.mean(accuracy))
    num_rows = len(results[0].hits)
    low, high = wilson(np.array([mean * num_rows]), np.array([num_rows]))
    first = results[0]
    each = " ".join(f"{one:.4f}" for one in accuracy)
    return (
        f"| {name} | {mean:.4f} ({low[0]:.4f} to {high[0]:.4f}) | {each} "
        f"| {first.num_parameters:,} | {first.forward_madds / 1e6:.2f} "
        f"| {first.train_madds / 1e9:.0f} | {np.mean([one.seconds for one in results]):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each network")
    num_seeds = parser.parse_args().seeds
    content = read_yaml(ROOT, SOURCE)
    columns = section(SOURCE, content, "columns", Columns, "image")
    data = data_of(columns)
    results: dict[str, list[Result]] = {}
    for name, lines in (("reference", REFERENCE), ("modern", content["train"])):
        for seed in range(num_seeds):
            given = {**content, "train": {**lines, "seed": seed}}
            settings = section(SOURCE, given, "train", Settings, "image")
            results.setdefault(name, []).append(trained(data, settings))
    print(
        f"{data.validation.height:,} validation images, {data.train.height:,} to learn from; "
        f"torch {torch.__version__}, {num_seeds} seeds\n"
    )
    print(
        "| network | accuracy (95% interval) | each seed | parameters | million multiply-adds an "
        "image | billion multiply-adds of the training | seconds of the training |"
    )
    print("|" + "---|" * 7)
    for name, of_name in results.items():
        print(line(name, of_name))
    gains = np.mean([one.hits for one in results["modern"]], axis=0)
    gains -= np.mean([one.hits for one in results["reference"]], axis=0)
    half = 1.96 * gains.std(ddof=1) / len(gains) ** 0.5
    mean = gains.mean()
    print(f"\nmodern - reference: {mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f}), paired")


if __name__ == "__main__":
    main()
