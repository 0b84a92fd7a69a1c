"""The service's counters, in Prometheus' terms.

BentoML's own are switched off: for each request they cost as much as reading its body, and they
keep a series for every path that anybody ever asked for.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

WORKERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where BentoML has its workers write what they count."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)


class Metrics:
    """Counters and histograms of one service.

    Args:
        registry: Where they are registered; Prometheus' default registry when not given.
        buckets: Of predicted numbers; none where labels are predicted.
    """

    def __init__(self, registry: Any = None, buckets: Sequence[float] = ()) -> None:
        # Not at the top: in a worker it reads its folder from the environment when imported.
        import prometheus_client as prometheus

        registry = prometheus.REGISTRY if registry is None else registry
        self.registry = registry
        if buckets:
            self.predictions = prometheus.Counter(
                "hallmark_predictions", "Predicted rows", registry=registry
            )
            self.numbers = prometheus.Histogram(
                "hallmark_predicted_number", "Predicted numbers", buckets=buckets, registry=registry
            )
        else:
            self.predictions = prometheus.Counter(
                "hallmark_predictions", "Predicted rows, by label", ["label"], registry=registry
            )
        self.counts_numbers = bool(buckets)
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

    def batch(self, num_requests: int, predicted: Sequence[Any]) -> None:
        """Count one batch: its requests, and the label or the number of each predicted row."""
        self.batch_requests.observe(num_requests)
        self.batch_rows.observe(len(predicted))
        if self.counts_numbers:
            self.predictions.inc(len(predicted))
            for number in predicted:
                self.numbers.observe(number)
            return
        for label, count in Counter(predicted).items():
            self.predictions.labels(label).inc(count)

    def exposition(self) -> bytes:
        """Everything that is registered, as Prometheus reads it, of all workers of the service."""
        import prometheus_client as prometheus
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if os.environ.get(WORKERS_FOLDER):
            registry = prometheus.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)
