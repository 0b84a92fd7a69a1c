"""Rehearse a packaged model: serve an unpacked copy of it, ask it, measure it, stop it.

The stage `rehearse` does so before anything is promoted, and a rollback with what it goes back to.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from pydantic import Field

from pipeline.core.bento import folder as packaged
from pipeline.core.files import read_json
from pipeline.core.prediction.output_policy import read_policy
from pipeline.core.scoring.offline import Offline
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import optional_part
from pipeline.core.settings.typed_settings import Frozen, strictly
from pipeline.rehearse.bad_requests import BadValue, bad_requests
from pipeline.rehearse.replay import (
    Replay,
    answer_to,
    as_requests,
    in_batches,
    one_by_one,
    replayed,
)
from pipeline.rehearse.served import NotServed, Served, served

HEALTH = ("/livez", "/healthz", "/readyz")
GIGABYTE = 1e9
TOLERANCES = {"fp32": 1e-5, "bf16": 1e-2}
"""By the precision of a service: between runs that add up in another order, in batches of other
sizes. Numbers of 24 and of 8 binary digits are rounded by up to 6e-8 and 4e-3 of their own."""
# So that what Python compiles lies beside the copy's own modules.
COMPILED_IN_PLACE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}
PREDICTED, REFUSED = "hallmark_predictions_total", "hallmark_refused_requests_total"


class Budget(Frozen):
    """What a rehearsal allows. The defaults hold on two slow cores that have other work too: set
    what your service is promised to do, on the machine that it is rehearsed on."""

    tolerance: float | None = Field(
        None, gt=0, json_schema_extra={"unit": "of the probability, or standard deviations"}
    )
    """The largest difference between what the service says and what was predicted offline on the
    same kind of device: of a probability, or of a number in standard deviations of the target, or
    in parts of its own distance from the mean where that is more. When not given it is that of the
    precision that the model is served in, 1e-5 in fp32 and 1e-2 in bf16."""
    batch_rows: int = Field(50, ge=2)
    """Rows of one request when rows are replayed in batches."""
    max_startup_s: float = Field(180, gt=0)
    """From the start of its process until it is ready, in seconds."""
    max_single_p99_ms: float = Field(2000, gt=0)
    """Within which 99 of 100 requests of one row are answered, one after the other."""
    max_batch_p99_ms: float = Field(5000, gt=0)
    """Within which 99 of 100 requests of `batch_rows` rows are answered, one after the other."""
    max_memory_gb: float = Field(4, gt=0)
    """What all its processes may hold resident, in 10⁹ bytes."""
    max_stop_s: float = Field(30, gt=0)
    """How long it may take to end when it is told to."""
    request_timeout_s: float = Field(60, gt=0)
    """A request that is not answered within this ends the rehearsal."""


class Checks:
    """What was checked, in order: expected and found, in words."""

    def __init__(self) -> None:
        self.made: list[dict[str, str]] = []

    def add(self, name: str, passed: bool, expected: str, found: str) -> None:
        outcome = "pass" if passed else "fail"
        self.made.append({"name": name, "outcome": outcome, "expected": expected, "found": found})

    @property
    def outcome(self) -> str:
        return "pass" if all(one["outcome"] == "pass" for one in self.made) else "fail"


class Rehearsal:
    """One rehearsal while it goes on.

    Args:
        bento: The bento's folder; a copy of it is served.
        rows: Rows as delivered, what requests carry alone.
        offline: What must be answered to them.
        budget: What is allowed.
        version: What the service must name itself; the bento's own version when not given.

    Raises:
        ArtifactMissing: there is no whole bento in the folder.
    """

    def __init__(
        self,
        bento: Path,
        rows: pl.DataFrame,
        offline: Offline,
        budget: Budget,
        version: str | None = None,
    ) -> None:
        self.bento, self.budget, self.version = bento, budget, version
        self.rows, self.offline = as_requests(rows), offline
        self.source = bento / packaged.SOURCE
        self.service = read_json(self.source / packaged.SERVICE)
        self.columns = strictly(Columns, self.service["columns"], {})
        self.deciding = read_policy(self.source / packaged.MODEL / "policy.json").columns
        self.model_digest = packaged.model_digest(self.source / packaged.MODEL)
        self.checks = Checks()
        self.report: dict[str, Any] = {
            "outcome": "fail",
            "bento_digest": packaged.digest(bento),
            "model_digest": self.model_digest,
            "version": version,
            "computed": self.service.get("computed"),
            "num_rows": rows.height,
            "compared": offline.compares,
            "max_abs_difference": None,
            "latency_ms": None,
            "startup_s": None,
            "peak_memory_bytes": None,
            "checks": self.checks.made,
        }

    def to_the_end(self) -> dict[str, Any]:
        """Serve, ask, stop; the report. A service that fails is an outcome, no exception."""
        budget, checks = self.budget, self.checks
        limit = f"ready within {budget.max_startup_s:g} s"
        try:
            with served(
                self.bento,
                timeout_s=budget.max_startup_s,
                grace_s=budget.max_stop_s,
                version=self.version,
                environment=COMPILED_IN_PLACE,
            ) as service:
                checks.add("start-up", True, limit, f"{service.startup_s:.1f} s")
                self._ask(service)
        except NotServed as error:
            checks.add("start-up", False, limit, error.message)
        else:
            self._measure(service)
        self.report["outcome"] = checks.outcome
        return self.report

    def _ask(self, service: Served) -> None:
        checks, timeout = self.checks, self.budget.request_timeout_s
        try:
            with httpx.Client(base_url=service.url, trust_env=False, timeout=timeout) as client:
                self._health(client)
                self._own_files(client, service)
                before = counters(client.get("/metrics").text)
                read, batch_rows = self.offline.read, self.budget.batch_rows
                single = replayed(client, one_by_one(self.rows), read)
                self._compare("one by one", single)
                batch = replayed(client, in_batches(self.rows, batch_rows), read)
                self._compare("in batches", batch)
                self._latency(single, batch)
                num_refused = self._bad_requests(client)
                self._metrics(before, counters(client.get("/metrics").text), num_refused)
                after = replayed(client, one_by_one(self.rows[:1]), read)
                self._compare("after all that", after)
        except httpx.HTTPError as error:
            found = f"{type(error).__name__}; its last lines:\n{service.last_lines()}"
            checks.add("answers", False, "an answer to every request", found)

    def _health(self, client: httpx.Client) -> None:
        found = {path: client.get(path).status_code for path in HEALTH}
        passed = all(status == httpx.codes.OK for status in found.values())
        shown = ", ".join(f"{path} {status}" for path, status in found.items())
        self.checks.add("health", passed, "200 for health, liveness and readiness", shown)

    def _own_files(self, client: httpx.Client, service: Served) -> None:
        """Whether it runs the bento's own code, and shows the bento's own card and fields."""
        package = service.folder / packaged.SOURCE / "pipeline"
        compiled = sorted(package.rglob("__pycache__/*.pyc"))
        own = any(file.parents[1] == package for file in compiled)
        found = f"{len(compiled)} modules imported from there"
        self.checks.add("own code", own, "`pipeline` imported from the bento", found)
        same = client.get("/card").content == (self.source / packaged.CARD).read_bytes()
        found = "those bytes" if same else "others"
        self.checks.add("card", same, f"the bytes of {packaged.CARD}", found)
        names = field_names(client.get("/schema"))
        expected = ", ".join(sorted({*self.columns.features, *self.deciding}))
        self.checks.add("fields", ", ".join(names) == expected, expected, ", ".join(names))

    def _compare(self, how: str, replay: Replay) -> None:
        """What was answered, and the model's name, against what is known offline."""
        name = f"predictions {how}"
        if replay.num_failed:
            found = f"{replay.num_failed} answers are none: {'; '.join(replay.problems)}"
            self.checks.add(name, False, "a prediction for every row", found)
            return
        one = self.offline.compared(replay.answers)
        largest = self.report["max_abs_difference"] or 0.0
        self.report["max_abs_difference"] = max(largest, one.largest)
        self.checks.add(name, one.passed, one.expected, one.found)
        version = self.version or self.report["bento_digest"][: packaged.VERSION_LENGTH]
        digests = ", ".join(sorted(one[:12] for one in replay.digests))
        self.checks.add(
            f"model named {how}",
            replay.versions == {version} and replay.digests == {self.model_digest},
            f"version {version}, model digest {self.model_digest[:12]}",
            f"version {', '.join(sorted(replay.versions))}, model digest {digests}",
        )

    def _latency(self, single: Replay, batch: Replay) -> None:
        found = {"single": single.percentiles(), "batch": batch.percentiles()}
        self.report["latency_ms"] = found
        limits = {"single": self.budget.max_single_p99_ms, "batch": self.budget.max_batch_p99_ms}
        for how, limit in limits.items():
            p99 = found[how]["p99"]
            expected = f"p99 at most {limit:g} ms"
            self.checks.add(f"latency, {how}", p99 <= limit, expected, f"p99 {p99:g} ms")

    def _bad_requests(self, client: httpx.Client) -> int:
        """Send each kind of bad request; how many predictions were refused."""
        contract = read_json(self.source / packaged.CONTRACT)
        limits = self.service["limits"]
        made = bad_requests(
            self.rows[0],
            self.columns,
            contract,
            limits["max_rows"],
            limits["max_body_bytes"],
            self.deciding,
            self._bad_values(contract),
        )
        for bad in made:
            wrong = answer_to(client, bad)
            words = f", naming {' and '.join(bad.names)}" if bad.names else ""
            expected = f"{bad.status}{words}"
            self.checks.add(f"bad request: {bad.name}", wrong is None, expected, wrong or expected)
        return sum(bad.status == httpx.codes.UNPROCESSABLE_ENTITY for bad in made)

    def _bad_values(self, contract: Mapping[str, Any]) -> Iterable[BadValue]:
        """Bad images or texts; a modality of tables has none of its own."""
        made = optional_part(self.service["modality"], "serving.bad_values")
        if made is None:
            return ()
        found: Iterable[BadValue] = made.bad_values(
            self.rows[0], self.columns, contract, self.service
        )
        return found

    def _metrics(self, before: Mapping[str, float], after: Mapping[str, float], num: int) -> None:
        """Whether the service counted what it answered and what it refused."""
        rows = after.get(PREDICTED, 0) - before.get(PREDICTED, 0)
        refused = after.get(REFUSED, 0) - before.get(REFUSED, 0)
        self.checks.add(
            "metrics",
            rows == 2 * len(self.rows) and refused >= num,
            f"{2 * len(self.rows)} rows more predicted, at least {num} requests more refused",
            f"{rows:g} rows more, {refused:g} requests more",
        )

    def _measure(self, service: Served) -> None:
        budget, peak = self.budget, service.peak_memory_bytes
        self.report["startup_s"] = round(service.startup_s, 3)
        self.report["peak_memory_bytes"] = peak
        self.checks.add(
            "memory",
            0 < peak <= budget.max_memory_gb * GIGABYTE,
            f"at most {budget.max_memory_gb:g} GB",
            f"{peak / GIGABYTE:.3g} GB",
        )
        ended = service.stopped_s
        found = "it had to be killed" if ended is None else f"{ended:.1f} s"
        limit = f"ended by itself within {budget.max_stop_s:g} s"
        self.checks.add("end", ended is not None, limit, found)


def counters(text: str) -> dict[str, float]:
    """The sum of each counter over its labels, from Prometheus' text; none from another text."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    except ValueError:
        return {}
    return found


def field_names(response: httpx.Response) -> list[str]:
    """The fields that a service says it takes, sorted; none when the answer is another."""
    try:
        return sorted(one["name"] for one in response.json()["fields"])
    except (ValueError, KeyError, TypeError):
        return []
