"""Rows as tensors, and the batches of an epoch: slices of rows that were shuffled block by block.

With several processes each takes its share of every batch, so that together they make the steps of
one process.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.core.settings.columns import Task

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Part:
    """Rows as tensors: what the network takes, labels, weights, and who belongs to which group;
    the task, which says what the labels are; and each row's number in the delivered data, -1 where
    it has none."""

    inputs: "tuple[Tensor, ...]"
    labels: "Tensor"
    weights: "Tensor"
    members: "Tensor"
    task: Task = "binary"
    ids: "Tensor | None" = None

    def take(self, rows: Any) -> "Part":
        """Some rows; their numbers stay behind."""
        return Part(
            tuple(values[rows] for values in self.inputs),
            self.labels[rows],
            self.weights[rows],
            self.members[rows],
            self.task,
        )

    def to(self, device: Any) -> "Part":
        """The same rows on a device; their numbers stay where they are."""
        return replace(
            self,
            inputs=tuple(values.to(device) for values in self.inputs),
            labels=self.labels.to(device),
            weights=self.weights.to(device),
            members=self.members.to(device),
        )

    def ids_of(self, positions: "Tensor") -> list[int]:
        """The numbers of the rows at these positions."""
        found = positions if self.ids is None else self.ids[positions]
        return [int(one) for one in found.tolist()]

    @property
    def num_rows(self) -> int:
        return len(self.labels)

    @property
    def row_bytes(self) -> int:
        """Of one row's tensors."""
        tensors = (*self.inputs, self.labels, self.weights, self.members)
        return sum(one.nbytes for one in tensors) // max(self.num_rows, 1)

    def steps(self, size: int, accumulate: int, first: int, share: "Share") -> "Iterator[Step]":
        """An epoch's optimizer steps from number `first` on, in an order drawn from torch's global
        generator."""
        import torch

        order = torch.randperm(self.num_rows)
        span = size * accumulate
        block_size = span * max(1, BLOCK_BYTES // (span * max(self.row_bytes, 1)))
        block, block_start, block_end = self, 0, 0
        for start in range(first * span, self.num_rows, span):
            end = min(start + span, self.num_rows)
            if start >= block_end:
                block_start, block_end = start, start + block_size
                block = self.take(order[block_start:block_end].to(self.labels.device))
            pieces = []
            for lower in range(start, end, size):
                own = share.of(lower, min(lower + size, end))
                rows = own or range(lower, lower + 1)  # all processes take part in a step
                batch = block.take(slice(rows.start - block_start, rows.stop - block_start))
                pieces.append(Piece(batch, len(own), len(own) * share.world / (end - start)))
            yield Step(tuple(pieces), order[start:end])


@dataclass(frozen=True)
class Share:
    """Which of so many equal processes this one is."""

    rank: int = 0
    world: int = 1

    def of(self, start: int, end: int) -> range:
        """This process's rows among those from `start` to `end`."""
        num = end - start
        lower, upper = (start + num * rank // self.world for rank in (self.rank, self.rank + 1))
        return range(lower, upper)


@dataclass(frozen=True)
class Piece:
    """Rows that go through the network at once.

    Attributes:
        rows: One row, which does not count, where this process has none of the batch.
        num_rows: Those that count.
        weight: Of their mean loss, in a step's loss that is the mean over processes.
    """

    rows: Part
    num_rows: int
    weight: float


@dataclass(frozen=True)
class Step:
    """The pieces of one optimizer step in this process, and the positions of all its rows."""

    pieces: tuple[Piece, ...]
    positions: "Tensor"
