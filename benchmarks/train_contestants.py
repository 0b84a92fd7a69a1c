"""Who trains against whom in `benchmarks/train.py`: our loop, one by hand, Keras and Lightning.

Each trains the same network on the same synthetic rows without end, and calls `turn` where an epoch
begins.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUM_IMAGES, NUM_VALIDATION = 5_760, 1_440
NUM_TABLE_ROWS, NUM_TABLE_VALIDATION = 22_000, 4_500
BATCH = {"images": 32, "table": 1024}
ENDLESS = 100_000
Turn = Callable[[], None]


def data(work: str) -> tuple[Any, Any]:
    """Training and validation rows, synthetic, as the loop takes them."""
    import torch

    from pipeline.train.loop.batches import Part

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

    from pipeline.tabular.model.architecture import TabularNetwork

    if work == "table":
        return TabularNetwork([48] * 6, [12] * 8, [128, 64], 0.2, 16)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def ours(work: str, given: argparse.Namespace, turn: Turn) -> None:
    from pipeline.train.loop.checkpoint import Checkpoint
    from pipeline.train.loop.settings import LoopSettings
    from pipeline.train.loop.state import Progress
    from pipeline.train.loop.training import fit

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
