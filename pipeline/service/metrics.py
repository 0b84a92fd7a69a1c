"""The service's own counters, in Prometheus' terms; BentoML serves them at /metrics."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Metrics:
    """Counters and histograms of one service.

    Args:
        registry: Where they are registered; Prometheus' default registry when not given.
    """

    def __init__(self, registry: Any = None) -> None:
        # Not at the top: in a worker it reads its folder from the environment when imported.
        import prometheus_client as prometheus

        registry = prometheus.REGISTRY if registry is None else registry
        self.predictions = prometheus.Counter(
            "hallmark_predictions", "Predicted rows, by label", ["label"], registry=registry
        )
        self.refused = prometheus.Counter(
            "hallmark_refused_requests",
            "Refused requests, by reason",
            ["reason"],
            registry=registry,
        )
        self.batch_rows = prometheus.Histogram(
            "hallmark_batch_rows",
            "Rows that were predicted at once",
            buckets=ROWS,
            registry=registry,
        )
        self.batch_requests = prometheus.Histogram(
            "hallmark_batch_requests", "Requests answered at once", buckets=ROWS, registry=registry
        )
        self.latency = prometheus.Histogram(
            "hallmark_request_seconds",
            "From a request's head to its answer",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )

    def batch(self, num_requests: int, num_rows: int) -> None:
        self.batch_requests.observe(num_requests)
        self.batch_rows.observe(num_rows)

    def predicted(self, labels: Iterable[str]) -> None:
        for label, count in Counter(labels).items():
            self.predictions.labels(label).inc(count)
