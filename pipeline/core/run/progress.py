"""A progress bar for people at a terminal, plain lines for logs."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

LINES_EVERY = 5
SECONDS_BETWEEN = 10.0

T = TypeVar("T")


@contextmanager
def epochs(total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function to call after each epoch with its point of the curve."""
    if not sys.stderr.isatty():
        yield _line
        return
    with _bar("epoch", total, done) as advance:
        yield advance


@contextmanager
def members(total: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function to call after each member of an ensemble with its curve's last point."""
    if sys.stderr.isatty():
        with _bar("member", total, 0) as advance:
            yield advance
        return
    done = 0

    def line(point: dict[str, float]) -> None:
        nonlocal done
        done += 1
        print(
            f"member {done} of at most {total}: validation loss {point['validation_loss']:.4f}",
            file=sys.stderr,
            flush=True,
        )

    yield line


@contextmanager
def _bar(word: str, total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(word),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("validation loss {task.fields[loss]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=done, loss="…")

        def advance(point: dict[str, float]) -> None:
            bar.update(task, advance=1, loss=f"{point['validation_loss']:.4f}")

        yield advance


def _line(point: dict[str, float]) -> None:
    if point["epoch"] % LINES_EVERY == 1:
        print(
            f"epoch {point['epoch']:.0f}: train loss {point['train_loss']:.4f}, "
            f"validation loss {point['validation_loss']:.4f}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def fitting(what: str, total: int) -> Iterator[Callable[[float], None]]:
    """Yield a function to call after each of `total` epochs with its loss."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda loss: bar.update(task, advance=1, description=f"{what}, loss {loss:.3f}")
        return
    epoch = 0

    def line(loss: float) -> None:
        nonlocal epoch
        epoch += 1
        if epoch % LINES_EVERY == 1 or epoch == total:
            print(f"{what}, epoch {epoch}: loss {loss:.4f}", file=sys.stderr, flush=True)

    yield line


def rows(values: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The values one by one, and how far they are: a bar at a terminal, else a line every ten
    seconds, so that what is quick says nothing."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        yield from track(values, what, total, console=console, transient=True)
        return
    last = time.monotonic()
    for number, value in enumerate(values):
        if time.monotonic() - last >= SECONDS_BETWEEN:
            last = time.monotonic()
            print(f"{what}: {number:,} of {total:,}", file=sys.stderr, flush=True)
        yield value
