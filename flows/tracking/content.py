"""What a build's run holds, as plain data: parameters, metrics, tags, data sets, reports."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.graph.outputs import Outputs
from flows.tracking.store import DataSet, Point
from pipeline.core.paths import READING_ORDER
from pipeline.core.verdict.override_records import in_words

REPORTS = (".json", ".jsonl", ".csv", ".html")
PARTS = {
    "train": "training",
    "validation": "validation",
    "calibration": "calibration",
    "test": "test",
}
CURVE = "train/"


def parameters(project_yaml: str, modality: str) -> dict[str, str]:
    """Every key of project.yaml, dotted, and the project's modality."""
    content = YAML(typ="safe").load(project_yaml) or {}
    return {"modality": modality, **dict(flattened("", content))}


def flattened(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flattened(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from flattened(f"{prefix}.{index}", inner)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield plain_name(prefix), text


def metrics(outputs: Outputs) -> dict[str, float]:
    """`roc_auc`, `roc_auc_low`, `roc_auc_high`, …; a gap as `sex/demographic_parity_difference`."""
    found: dict[str, float] = {}
    evaluation = outputs.json("evaluate", "report.json") or {}
    for prefix, who in (("", "model"), ("baseline/", "baseline")):
        for name, span in evaluation.get(who, {}).get("metrics", {}).items():
            found |= interval(prefix + name, span)
    for name, span in (evaluation.get("champion") or {}).get("gains", {}).items():
        found |= interval(f"against_champion/{name}", span)
    assessment = (outputs.json("assess", "report.json") or {}).get("model", {})
    for grouping, measured in assessment.items():
        for name, span in measured["gaps"].items():
            found |= interval(f"{grouping}/{name}", span)
    rehearsal = outputs.json("rehearse", "report.json") or {}
    for kind, quantiles in rehearsal.get("latency_ms", {}).items():
        for quantile, value in quantiles.items():
            found[f"rehearsal/{kind}_{quantile}_ms"] = float(value)
    for name in ("startup_s", "peak_memory_bytes", "max_abs_difference"):
        if isinstance(rehearsal.get(name), int | float):
            found[f"rehearsal/{name}"] = float(rehearsal[name])
    return {plain_name(name): value for name, value in found.items()}


def interval(name: str, span: Mapping[str, Any] | None) -> dict[str, float]:
    """An interval as three metrics; a bound that could not be had is left out."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        name + suffix: float(span[key])
        for suffix, key in ends.items()
        if span and isinstance(span.get(key), int | float)
    }


def plain_name(name: str) -> str:
    """A name that MLflow takes: letters, digits, and a few signs."""
    plain = name.replace(" × ", "_x_")
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in plain)


def curve_points(text: str, after: int, time_ms: int) -> list[Point]:
    """The whole lines of curves.jsonl that come after an epoch."""
    points = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        point = json.loads(line)
        epoch = int(point.pop("epoch"))
        if epoch > after:
            values = {CURVE + name: float(value) for name, value in point.items()}
            points.append(Point(epoch, values, time_ms))
    return points


def data_sets(outputs: Outputs) -> list[DataSet]:
    """The raw source, with its digests, and the parts that `split` made of it."""
    found = []
    if profile := outputs.json("ingest", "profile.json"):
        raw = outputs.digest_read("ingest", f"data/{outputs.project}/raw")
        source = {
            "source": profile["source"],
            "sha256": profile["sha256"],
            "dvc": raw,
            "dvc_path": f"data/{outputs.project}/raw" if raw else None,
        }
        size = {"num_rows": profile["rows"], "num_bytes": profile["bytes"]}
        digest = raw or profile["sha256"]
        found.append(DataSet("raw", digest, json.dumps(source), "raw", json.dumps(size)))
    rows = _rows_of_parts(outputs)
    for name, context in PARTS.items():
        if outputs.has("split", f"{name}.parquet"):
            digest = outputs.digest("split", f"{name}.parquet")
            path = f"data/{outputs.project}/25_split/{name}.parquet"
            source = {"path": path, "dvc": digest}
            size = {"num_rows": rows.get(name)}
            found.append(DataSet(name, digest, json.dumps(source), context, json.dumps(size)))
    return found


def _rows_of_parts(outputs: Outputs) -> dict[str, Any]:
    parts = (outputs.json("split", "report.json") or {}).get("parts", {})
    return {
        name: part.get("rows", part.get("num_rows")) if isinstance(part, Mapping) else part
        for name, part in parts.items()
    }


def write_reports(outputs: Outputs, target: Path) -> None:
    """Copy every report of the stages to `target/<stage>/`: what people and programs can read."""
    for stage in READING_ORDER:
        for name in outputs.names(stage):
            if name.endswith(REPORTS):
                outputs.copy(stage, name, target / stage / name)


def summary(verdict: Mapping[str, Any] | None, notes: tuple[str, ...]) -> str:
    """The run's description, in markdown: what the gate said of each rule, and notes."""
    lines = []
    if verdict:
        lines.append(f"**Verdict: {verdict['outcome']}**\n")
        lines += [f"- {rule.get('sentence') or rule.get('rule')}" for rule in verdict["rules"]]
        lines += [f"- **{in_words(record)}**" for record in verdict.get("overrides", ())]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])
