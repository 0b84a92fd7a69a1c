"""Training rows that are not held in memory: read from parquet in runs, shuffled in a buffer.

An epoch's order: from a row that is drawn, neighbouring rows form runs; these are drawn in a new
order, and as many as fill the buffer are shuffled row by row. So each row comes once per epoch, a
batch mixes rows of many places, and a step's rows follow from seed, epoch and step alone: a
training goes on at any step without reading again what came before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_parquet, scan_parquet
from pipeline.train.loop.batches import Part, Piece, Share, Step

if TYPE_CHECKING:
    from torch import Tensor

Mode = Literal["auto", "never", "always"]
RUNS_PER_BUFFER = 16
NUM_SLICES = 64
NUM_PROBED = 1024
COPIES = 8
"""What is held at the most, as a multiple of the buffer's bytes: its rows as read and as tensors,
what lies in between, the rows before them, and those that the encoder is fitted to."""
MOST_PACKED = 64
"""A file's rows are taken to need at the most so many times its bytes."""


def scan(source: Path) -> pl.LazyFrame:
    """The table in a parquet file, or in all the shards in a folder in the order of their names."""
    if not source.is_dir():
        return scan_parquet(source)
    shards = sorted(source.glob("*.parquet"))
    if not shards:
        raise ArtifactMissing(f"expected parquet files in {source}, found none")
    return pl.concat([scan_parquet(shard) for shard in shards])


def num_rows_of(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def spread_sample(table: pl.LazyFrame, num: int) -> pl.DataFrame:
    """About `num` rows, from slices at equal distances; all rows where there are no more.

    What is fitted to data that are not held in memory is fitted to these.
    """
    height = num_rows_of(table)
    size = max(1, num // NUM_SLICES)
    if height <= size * NUM_SLICES:
        return table.collect()
    starts = [(height - size) * one // (NUM_SLICES - 1) for one in range(NUM_SLICES)]
    return pl.concat([table.slice(start, size).collect() for start in starts])


@dataclass(frozen=True)
class Source:
    """Training rows: in memory, or, where these would be more than the budget, to be streamed.

    Attributes:
        fitted: What everything is fitted to: all rows, or a sample spread over them.
        num_rows: Of all.
        table: To be streamed; None where `fitted` are all.
        buffer_rows: Rows that are then shuffled together.
    """

    fitted: pl.DataFrame
    num_rows: int
    table: pl.LazyFrame | None = None
    buffer_rows: int = 0

    @property
    def is_streamed(self) -> bool:
        return self.table is not None

    def targets(self, name: str) -> pl.DataFrame:
        """All values of a column of classes, each once where rows are streamed."""
        if self.table is None:
            return self.fitted
        return self.table.select(pl.col(name).unique()).collect(engine="streaming")

    def rows(self, as_part: Callable[[pl.DataFrame], Part]) -> Any:
        """As the loop takes them: a Part, or a Stream in its place."""
        if self.table is None:
            return as_part(self.fitted)
        sample = as_part(self.fitted.head(NUM_PROBED))
        return Stream(self.table, self.num_rows, as_part, self.buffer_rows, sample)

    def facts(self) -> dict[str, Any]:
        """What the report says of it; nothing where all rows are in memory."""
        if self.table is None:
            return {}
        found = {"num_fitted_rows": self.fitted.height, "buffer_rows": self.buffer_rows}
        return {"stream": found}


def opened(
    file: Path, mode: Mode, budget_mb: int, tensor_bytes: Callable[[pl.DataFrame], int]
) -> Source:
    """The training rows of a parquet file, or of a folder of shards.

    Args:
        file: The file or the folder.
        mode: `auto` streams them if they need more than the budget.
        budget_mb: In MiB.
        tensor_bytes: Of a row as tensors, found from some rows.
    """
    table, budget = scan(file), budget_mb * 2**20
    shards = file.glob("*.parquet") if file.is_dir() else [file]
    size = sum(shard.stat().st_size for shard in shards)
    if mode == "never" or (mode == "auto" and size * MOST_PACKED < budget):
        return _whole(file, table)
    probe, num_rows = spread_sample(table, NUM_PROBED), num_rows_of(table)
    row_bytes = int(probe.estimated_size()) // max(probe.height, 1) + tensor_bytes(probe)
    if mode == "auto" and num_rows * row_bytes <= budget:
        return _whole(file, table)
    buffer_rows = max(NUM_SLICES, budget // (COPIES * row_bytes))
    return Source(spread_sample(table, buffer_rows), num_rows, table, buffer_rows)


def _whole(file: Path, table: pl.LazyFrame) -> Source:
    rows = table.collect() if file.is_dir() else read_parquet(file)
    return Source(rows, rows.height)


@dataclass(frozen=True)
class Order:
    """An epoch's order of rows.

    Attributes:
        num_rows: Of the data.
        run: Rows of a run, a multiple of an optimizer step's; one run may be shorter.
        offset: The row at which the first run begins; the last one goes on at the data's start.
        runs: The runs in the order in which they are read; the short one is the last.
        per_block: Runs that are shuffled together.
        seed: Of the shuffling.
    """

    num_rows: int
    run: int
    offset: int
    runs: "Tensor"
    per_block: int
    seed: int

    @staticmethod
    def drawn(num_rows: int, span: int, buffer_rows: int, seed: int) -> "Order":
        """An order for steps of `span` rows and a buffer of at most `buffer_rows`, or one step."""
        import torch

        per_block = max(1, min(RUNS_PER_BUFFER, buffer_rows // span))
        run = span * max(1, buffer_rows // (per_block * span))
        generator = torch.Generator().manual_seed(seed)
        offset = int(torch.randint(num_rows, (), generator=generator))
        whole, rest = divmod(num_rows, run)
        runs = torch.randperm(whole, generator=generator)
        if rest:
            runs = torch.cat([runs, torch.tensor([whole])])
        return Order(num_rows, run, offset, runs, per_block, seed)

    @property
    def block_rows(self) -> int:
        return self.run * self.per_block

    @property
    def num_blocks(self) -> int:
        return -(-len(self.runs) // self.per_block)

    def runs_of(self, block: int) -> list[tuple[int, int]]:
        """First row, and number of rows, of each run in a block."""
        chosen = self.runs[block * self.per_block : (block + 1) * self.per_block].tolist()
        starts = [one * self.run for one in chosen]
        return [
            ((self.offset + start) % self.num_rows, min(self.run, self.num_rows - start))
            for start in starts
        ]

    def rows_of(self, block: int) -> "Tensor":
        """The positions of a block's rows, in the order in which they are used."""
        import torch

        runs = [start + torch.arange(num) for start, num in self.runs_of(block)]
        rows = torch.cat(runs) % self.num_rows
        generator = torch.Generator().manual_seed(self.seed + 1 + block)
        return rows[torch.randperm(len(rows), generator=generator)]


@dataclass(frozen=True)
class Stream:
    """Rows as the training loop takes them, in the place of a Part.

    Attributes:
        table: The rows, to be read in part.
        num_rows: How many.
        as_part: Makes tensors of some rows.
        buffer_rows: Rows that are shuffled together, at the most.
        sample: Some rows as tensors, to measure on.
        device: Where the tensors are wanted.
    """

    table: pl.LazyFrame
    num_rows: int
    as_part: Callable[[pl.DataFrame], Part]
    buffer_rows: int
    sample: Part
    device: Any = "cpu"

    @property
    def inputs(self) -> "tuple[Tensor, ...]":
        return self.sample.inputs

    @property
    def row_bytes(self) -> int:
        return self.sample.row_bytes

    def to(self, device: Any) -> "Stream":
        return replace(self, device=device)

    def ids_of(self, positions: "Tensor") -> list[int]:
        """The numbers of the rows at these positions."""
        rows = self.table.select("_row").collect()["_row"].gather(positions.tolist())
        return [-1 if one is None else int(one) for one in rows.to_list()]

    def steps(self, size: int, accumulate: int, first: int, share: Share) -> Iterator[Step]:
        """An epoch's optimizer steps from number `first` on, in an order for which one number is
        drawn from torch's global generator."""
        import torch

        span = size * accumulate
        order = Order.drawn(self.num_rows, span, self.buffer_rows, int(torch.randint(2**62, ())))
        begin = min(first * span, self.num_rows)
        for block in range(begin // order.block_rows, order.num_blocks):
            rows = order.rows_of(block)
            start = max(0, begin - block * order.block_rows)
            if len(rows) > start:
                yield from self._steps_of(rows[start:], order.runs_of(block), size, span, share)

    def _steps_of(
        self, rows: "Tensor", runs: list[tuple[int, int]], size: int, span: int, share: Share
    ) -> Iterator[Step]:
        """The steps that the rows at these positions make, which lie in these runs."""
        import torch

        lowers = range(0, len(rows), size)
        owns = [share.of(lower, min(lower + size, len(rows))) for lower in lowers]
        # All processes take part in a step: one without rows of a batch has a row that counts 0.
        kept = [own or range(lower, lower + 1) for own, lower in zip(owns, lowers, strict=True)]
        held = self._read(torch.cat([rows[one.start : one.stop] for one in kept]), runs)
        pieces, at = [], 0
        for own, one in zip(owns, kept, strict=True):
            step_rows = min(span, len(rows) - one.start // span * span)
            weight = len(own) * share.world / step_rows
            pieces.append(Piece(held.take(slice(at, at + len(one))), len(own), weight))
            at += len(one)
        for start in range(0, len(rows), span):
            mine = pieces[start // size : (start + span) // size]
            yield Step(tuple(mine), rows[start : start + span])

    def _read(self, rows: "Tensor", runs: list[tuple[int, int]]) -> Part:
        """The rows at these positions as tensors; their runs are read one after another."""
        import torch

        held: list[Tensor] = []
        for start, num in runs:
            places = ((rows - start) % self.num_rows < num).nonzero().squeeze(1)
            if not len(places):
                continue
            local = (rows[places] - start) % self.num_rows
            part = self.as_part(self._run(start, num)[local.numpy()])
            tensors = (*part.inputs, part.labels, part.weights, part.members)
            held = held or [torch.empty((len(rows), *x.shape[1:]), dtype=x.dtype) for x in tensors]
            for whole, values in zip(held, tensors, strict=True):
                whole[places] = values
        *inputs, labels, weights, members = (one.to(self.device) for one in held)
        return Part(tuple(inputs), labels, weights, members, part.task)

    def _run(self, start: int, num: int) -> pl.DataFrame:
        """So many rows from one on; after the last comes the first."""
        rows = self.table.slice(start, num).collect()
        over = num - rows.height
        return pl.concat([rows, self.table.slice(0, over).collect()]) if over else rows
