"""What makes a step of the reference convolutional network fast: its milliseconds of CPU, each way.

    OMP_WAIT_POLICY=passive python benchmarks/convolution.py --threads 1

Batches of 32 images of 28 x 28, forward, backward and Adam, with deterministic algorithms as
training has them. The ways take turns; printed are the
median and the least of all steps.
"""

import argparse
import statistics
import time
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

WAYS: dict[str, dict[str, Any]] = {
    "as PyTorch does it": {},
    "channels_last": {"last": True},
    "fused Adam": {"fused": True},
    "both": {"last": True, "fused": True},
    "both, max-pool before relu": {"last": True, "fused": True, "pool_first": True},
    "both, bf16": {"last": True, "fused": True, "bf16": True},
    "both, compiled": {"last": True, "fused": True, "compiled": True},
    "fused, compiled": {"fused": True, "compiled": True},
    "any algorithms": {"deterministic": False},
    "fused, compiled, any algorithms": {"fused": True, "compiled": True, "deterministic": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, labels = torch.rand(32, 1, 28, 28), torch.randint(10, (32,))
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(given.turns):
        for name, way in WAYS.items():
            found[name] += steps(images, labels, **way)
    for name, seconds in found.items():
        median, least = statistics.median(seconds) * 1e3, min(seconds) * 1e3
        print(f"{name:<32} {median:6.2f} ms of CPU, at the least {least:6.2f}")


def steps(
    images: Any,
    labels: Any,
    *,
    last: bool = False,
    fused: bool = False,
    pool_first: bool = False,
    bf16: bool = False,
    compiled: bool = False,
    deterministic: bool = True,
) -> list[float]:
    """Seconds of CPU of 25 steps, after five."""
    torch.use_deterministic_algorithms(deterministic)

    def pair() -> list[nn.Module]:
        return [nn.MaxPool2d(2), nn.ReLU()] if pool_first else [nn.ReLU(), nn.MaxPool2d(2)]

    network: Any = nn.Sequential(
        nn.Conv2d(1, 32, 3), *pair(), nn.Conv2d(32, 64, 3), *pair(),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    network = network.to(memory_format=torch.channels_last) if last else network
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused or None)
    forward = torch.compile(network) if compiled else network
    seconds = []
    for _ in range(30):
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            outputs = forward(images)
        loss = nn.functional.cross_entropy(outputs.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.process_time() - started)
    return seconds[5:]


if __name__ == "__main__":
    main()
