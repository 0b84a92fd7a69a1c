"""Batches that are answered beside the event loop, as those of images and texts are."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.service.batching import Batcher
from pipeline.service.predictor import Answer


def echo(requests: Sequence[Sequence[Any]]) -> list[Answer]:
    return [Answer([{"label": row} for row in rows], []) for rows in requests]


def labels(answers: Sequence[Answer]) -> list[list[Any]]:
    return [[one["label"] for one in answer.predictions] for answer in answers]


def test_the_loop_goes_on_and_what_arrives_meanwhile_is_the_next_batch() -> None:
    batches: list[int] = []
    may_end, threads = threading.Event(), set()

    def slowly(requests: Sequence[Sequence[Any]]) -> list[Answer]:
        threads.add(threading.current_thread().name)
        assert may_end.wait(20)
        return echo(requests)

    async def main() -> list[Answer]:
        with ThreadPoolExecutor(1, "answers") as beside:
            one = Batcher(slowly, 10, 100, lambda num, _: batches.append(num), beside=beside)
            first = asyncio.create_task(one.submit([1]))
            await asyncio.sleep(0.05)
            later = [asyncio.create_task(one.submit([number])) for number in (2, 3)]
            await asyncio.sleep(0.05)
            assert not first.done()
            may_end.set()
            return list(await asyncio.gather(first, *later))

    assert labels(asyncio.run(main())) == [[1], [2], [3]]
    assert batches == [1, 2]
    assert all(name.startswith("answers") for name in threads)


def test_a_failure_reaches_all_who_waited_and_the_next_are_answered() -> None:
    broken = [True]

    def answer(requests: Sequence[Sequence[Any]]) -> list[Answer]:
        if broken and broken.pop():
            raise RuntimeError("once")
        return echo(requests)

    async def main() -> tuple[list[Any], Answer]:
        with ThreadPoolExecutor(1) as beside:
            one = Batcher(answer, 10, 100, lambda *_: None, beside=beside)
            first = await asyncio.gather(one.submit([1]), one.submit([2]), return_exceptions=True)
            return first, await one.submit([3])

    first, third = asyncio.run(main())
    assert [type(one) for one in first] == [RuntimeError, RuntimeError]
    assert labels([third]) == [[3]]


@pytest.mark.parametrize("beside", [True, False])
def test_many_requests_get_their_own_answers(beside: bool) -> None:
    async def main() -> list[Answer]:
        with ThreadPoolExecutor(1) as pool:
            one = Batcher(echo, 7, 1000, lambda *_: None, beside=pool if beside else None)
            return list(await asyncio.gather(*(one.submit([i, -i]) for i in range(50))))

    assert labels(asyncio.run(main())) == [[i, -i] for i in range(50)]
