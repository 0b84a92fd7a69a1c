"""Requests that arrive together are predicted together.

There is no timer: a batch starts as soon as the event loop has taken in what has arrived, and what
arrives while it runs is the next one. A lone request waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from pipeline.service.predictor import Answer

Waiting = list[tuple[Sequence[Any], asyncio.Future[Answer]]]
"""Requests' rows, and where their answers are waited for."""


class Saturated(Exception):
    """More rows wait than may."""


class Batcher:
    """Collects requests and answers them in batches, in the order in which they came.

    Args:
        answer: Answers many requests' rows at once.
        max_batch_rows: Rows of a batch; a request is never split.
        max_waiting_rows: Rows that may wait.
        observe: Is told of each batch: its number of requests, and what is counted of its rows.
        counted: The key of each row's answer that is counted.
        beside: Where batches are answered that take long, so that the event loop goes on; in the
            loop itself where none is given: a thread would cost a short one more than it takes.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Sequence[Any]]], list[Answer]],
        max_batch_rows: int,
        max_waiting_rows: int,
        observe: Callable[[int, list[Any]], None],
        counted: str = "label",
        beside: Executor | None = None,
    ) -> None:
        self.answer = answer
        self.max_batch_rows = max_batch_rows
        self.max_waiting_rows = max_waiting_rows
        self.observe = observe
        self.counted = counted
        self.beside, self.is_busy = beside, False
        self.waiting: deque[tuple[Sequence[Any], asyncio.Future[Answer]]] = deque()
        self.num_waiting_rows = 0

    async def submit(self, rows: Sequence[Any]) -> Answer:
        """The answer to one request's rows.

        Raises:
            Saturated: too many rows wait already.
        """
        if self.num_waiting_rows + len(rows) > self.max_waiting_rows and self.waiting:
            raise Saturated
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self.waiting and not self.is_busy:
            loop.call_soon(self._run, loop)
        self.waiting.append((rows, future))
        self.num_waiting_rows += len(rows)
        return await future

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._next()
        requests = [rows for rows, _ in batch]
        if self.beside is None:
            self._settle(batch, partial(self.answer, requests))
            self._go_on(loop)
            return
        self.is_busy = True
        task = loop.run_in_executor(self.beside, self.answer, requests)
        task.add_done_callback(partial(self._done, loop, batch))

    def _done(
        self, loop: asyncio.AbstractEventLoop, batch: Waiting, task: asyncio.Future[list[Answer]]
    ) -> None:
        self.is_busy = False
        if not task.cancelled():
            self._settle(batch, task.result)
            self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.waiting:
            loop.call_soon(self._run, loop)

    def _settle(self, batch: Waiting, answers_of: Callable[[], list[Answer]]) -> None:
        """Hand each request its answer, or all of them the error."""
        try:
            answers = answers_of()
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        counted = [one[self.counted] for answer in answers for one in answer.predictions]
        self.observe(len(batch), counted)
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # its client has gone
                future.set_result(answer)

    def _next(self) -> Waiting:
        """What waits, as long as it fits into one batch; at least one request."""
        batch = [self.waiting.popleft()]
        num_rows = len(batch[0][0])
        while self.waiting and num_rows + len(self.waiting[0][0]) <= self.max_batch_rows:
            batch.append(self.waiting.popleft())
            num_rows += len(batch[-1][0])
        self.num_waiting_rows -= num_rows
        return batch
