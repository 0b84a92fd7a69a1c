"""How fast training is: our loop beside one written by hand, Keras 3 on torch, Lightning's Trainer.

    uv pip install --target .local/peers --no-deps keras absl-py namex h5py optree ml-dtypes \\
        lightning pytorch-lightning lightning-utilities torchmetrics
    PYTHONPATH=. python benchmarks/train.py --peers .local/peers --threads 2

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
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.train_contestants import NUM_IMAGES, hand, keras, lightning, network, ours


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
