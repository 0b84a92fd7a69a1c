"""How fast training is: our loop beside one written by hand, Keras 3 on torch, Lightning's Trainer.

    uv pip install --target .local/peers --no-deps keras absl-py namex h5py optree ml-dtypes \\
        lightning pytorch-lightning lightning-utilities torchmetrics
    python benchmarks/train.py --peers .local/peers --threads 2

Two trainings on synthetic rows of real sizes: a table as wide as Adult, against a hand-written loop
over slices of tensors; and the reference convolutional network on 5,760 images, against all three.
Each contestant is a process of its own; they make their epochs in turn, so that what else the
machine does meets all of them. An epoch is a pass over the training rows and one over validation
rows; ours includes its checkpoint. Printed are the medians of the ratios of epochs made in the same
turn, with the least and the largest, by the clock and, as another program's work lengthens the
one and not the other, by seconds of CPU; and the share that the network reaches of the machine's
matrix peak, which is measured with a large product, counting multiply-adds of forward and backward.
With `--device cuda` all of them use the GPU, and ours its bf16.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUM_IMAGES, NUM_VALIDATION = 5_760, 1_440
NUM_TABLE_ROWS, NUM_TABLE_VALIDATION = 22_000, 4_500
BATCH = {"images": 32, "table": 1024}
ENDLESS = 100_000
Turn = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", type=Path, help="where keras and lightning are installed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=["table", "images"])
    parser.add_argument("--compile", action="store_true", help="`train.compile` for our loop")
    parser.add_argument("--contestant", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        race(*given.contestant, given)
        return
    machine, of_cpu = peak(given.device, given.threads)
    print(
        f"{given.device}, {given.threads} threads, peak {machine / 1e9:,.0f} GFLOP/s, "
        f"{of_cpu / 1e9:,.0f} GFLOP for each second of CPU"
    )
    if given.only != "images":
        compare("table", ["hand"], given)
    if given.only == "table":
        return
    peers = ["hand", "keras", "lightning"] if given.peers else ["hand"]
    seconds, cpu_seconds = compare("images", peers, given)
    work = flops() * NUM_IMAGES
    print(
        f"images: {NUM_IMAGES / seconds:,.0f} a second; {work / seconds / machine:.1%} of the "
        f"peak, {work / cpu_seconds / of_cpu:.1%} by seconds of CPU"
    )


def compare(work: str, peers: list[str], given: argparse.Namespace) -> tuple[float, float]:
    """Let ours and its peers make epochs in turn; prints the ratios, returns our median seconds, by
    the clock and of CPU."""
    names = ["ours", *peers]
    command = [sys.executable, *sys.argv, "--contestant", work]
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads)}
    children = {
        name: subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )
        for name in names
    }  # fmt: skip
    turns = []
    for _ in range(given.turns + 2):
        turn = {}
        for name, child in children.items():
            print("go", file=child.stdin, flush=True)
            turn[name] = [float(x) for x in child.stdout.readline().split()]  # type: ignore[union-attr]
        turns.append(turn)
    for child in children.values():
        child.kill()
        child.wait()
    turns = turns[2:]  # the first two warm up
    ours, of_cpu = (statistics.median(turn["ours"][i] for turn in turns) for i in (0, 1))
    print(f"{work}: {ours * 1e3:.0f} ms an epoch, {of_cpu * 1e3:.0f} ms of CPU")
    for name in peers:
        for i, what in enumerate(("time", "CPU")):
            ratios = sorted(turn["ours"][i] / turn[name][i] for turn in turns)
            print(
                f"  ours / {name:<9} {what:<4} {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} turns)"
            )
    return ours, of_cpu


def race(work: str, name: str, given: argparse.Namespace) -> None:
    """Make an epoch for each line on stdin; print its seconds."""
    sys.path += [str(given.peers)] if given.peers else []  # last: torch is ours
    import torch

    torch.set_num_threads(given.threads)
    started: list[tuple[Callable[[], float], float]] = []
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere

    def turn() -> None:
        """The end of an epoch, and the start of the next one."""
        if given.device == "cuda":
            torch.cuda.synchronize()
        if started:
            print(*(now() - then for now, then in started), file=out, flush=True)
        if not sys.stdin.readline():
            sys.exit()
        started[:] = [(now, now()) for now in (time.perf_counter, time.process_time)]

    {"ours": ours, "hand": hand, "keras": keras, "lightning": lightning}[name](work, given, turn)


def data(work: str) -> tuple[Any, Any]:
    """Training and validation rows, synthetic, as the loop takes them."""
    import torch

    from pipeline.core.batches import Part

    generator = torch.Generator().manual_seed(1)

    def rows(num: int) -> Part:
        if work == "images":
            images = torch.rand(num, 1, 28, 28, generator=generator)
            labels = torch.randint(10, (num,), generator=generator)
            return Part((images,), labels, torch.ones(num), torch.zeros(num, 0), "multiclass")
        numbers = 20 * torch.rand(num, 6, generator=generator)
        levels = torch.randint(2, 12, (num, 8), generator=generator)
        labels = (torch.rand(num, generator=generator) < 0.25).float()
        return Part((numbers, levels), labels, torch.ones(num), torch.zeros(num, 4))

    sizes = (NUM_IMAGES, NUM_VALIDATION) if work == "images" else (
        NUM_TABLE_ROWS, NUM_TABLE_VALIDATION
    )  # fmt: skip
    return rows(sizes[0]), rows(sizes[1])


def network(work: str) -> Any:
    """The field's reference network for images; for the table, the product's own."""
    from torch import nn

    from pipeline.tabular.model import TabularNetwork

    if work == "table":
        return TabularNetwork([48] * 6, [12] * 8, [128, 64], 0.2, 16)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def ours(work: str, given: argparse.Namespace, turn: Turn) -> None:
    from pipeline.core.checkpoint import Checkpoint
    from pipeline.core.loop_settings import LoopSettings
    from pipeline.core.training import fit
    from pipeline.core.training_state import Progress

    settings = LoopSettings(
        optimizer="adam" if work == "images" else "adamw",
        weight_decay=0 if work == "images" else 0.01,
        batch_size=BATCH[work],
        max_epochs=ENDLESS,
        patience=ENDLESS,
        num_threads=given.threads,
        compile=given.compile,
    )

    def watch(progress: Progress) -> None:
        if progress.step == 0:
            turn()

    with tempfile.TemporaryDirectory() as folder:
        turn()
        checkpoint, curve = Checkpoint(Path(folder)), Path(folder) / "curve.jsonl"
        fit(network(work), *data(work), settings, checkpoint, curve, watch=watch)


def hand(work: str, given: argparse.Namespace, turn: Turn) -> None:
    """Slices of shuffled tensors, the loss on validation rows, the best weights kept."""
    import torch

    train, validation = (part.to(given.device) for part in data(work))
    model = network(work).to(given.device)
    kind = torch.optim.Adam if work == "images" else torch.optim.AdamW
    optimizer = kind(model.parameters(), lr=1e-3, weight_decay=0 if work == "images" else 0.01)

    def loss_of(outputs: Any, labels: Any, weights: Any) -> Any:
        functional = torch.nn.functional
        if work == "images":
            return (functional.cross_entropy(outputs, labels, reduction="none") * weights).mean()
        return functional.binary_cross_entropy_with_logits(outputs, labels, weights)

    best, size = float("inf"), BATCH[work]
    while True:
        turn()
        order = torch.randperm(train.num_rows, device=given.device)
        inputs = [values[order] for values in train.inputs]
        labels, weights = train.labels[order], train.weights[order]
        total = torch.zeros((), device=given.device)
        model.train()
        for start in range(0, train.num_rows, size):
            rows = slice(start, start + size)
            loss = loss_of(model(*(one[rows] for one in inputs)), labels[rows], weights[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(labels[rows])
        model.eval()
        with torch.inference_mode():
            found = loss_of(model(*validation.inputs), validation.labels, validation.weights)
        if float(found) < best:
            best = float(found)
            kept = {name: value.clone() for name, value in model.state_dict().items()}
    return kept


def keras(work: str, given: argparse.Namespace, turn: Turn) -> None:
    """As Keras' own example has it: images of shape (28, 28, 1), arrays of numpy, model.fit."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    torch.set_num_threads(given.threads)

    class Turns(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            turn()

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    train, validation = (
        (part.inputs[0].permute(0, 2, 3, 1).contiguous().numpy(), part.labels.numpy())
        for part in data(work)
    )
    model.fit(
        *train, validation_data=validation, batch_size=BATCH[work], epochs=ENDLESS, verbose=0,
        callbacks=[Turns()], shuffle=True, validation_batch_size=NUM_VALIDATION,
    )  # fmt: skip


def lightning(work: str, given: argparse.Namespace, turn: Turn) -> None:
    """As Lightning's own examples have it: a TensorDataset and a DataLoader."""
    import lightning as L  # noqa: N812
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Module(L.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network(work)

        def training_step(self, batch: Any, number: int) -> Any:  # noqa: ARG002
            return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def validation_step(self, batch: Any, number: int) -> None:  # noqa: ARG002
            torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

        def on_train_epoch_start(self) -> None:
            turn()

    train, validation = (TensorDataset(part.inputs[0], part.labels) for part in data(work))
    trainer = L.Trainer(
        max_epochs=ENDLESS, accelerator=given.device, devices=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(
        Module(),
        DataLoader(train, batch_size=BATCH[work], shuffle=True),
        DataLoader(validation, batch_size=NUM_VALIDATION),
    )


def peak(device: str, threads: int) -> tuple[float, float]:
    """Floating-point operations of a large product of matrices, for a second by the clock and for
    one of CPU, the best of several."""
    import torch

    torch.set_num_threads(threads)
    on_gpu = device == "cuda"
    kind, size = (torch.bfloat16, 8192) if on_gpu else (torch.float32, 2048)
    left, right = (torch.rand(size, size, device=device, dtype=kind) for _ in range(2))
    best = of_cpu = float("inf")
    for _ in range(12):
        started, before = time.perf_counter(), time.process_time()
        left @ right
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
        of_cpu = min(of_cpu, time.process_time() - before)
    return 2 * size**3 / best, 2 * size**3 / of_cpu


def flops() -> float:
    """Of one image in a training step, forward and backward, two for each multiply-add."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network("images")(torch.rand(32, 1, 28, 28)).sum().backward()
    return float(counter.get_total_flops()) / 32


if __name__ == "__main__":
    main()
