"""The text of data/<project>/project.yaml as `hallmark init` writes it: commented, for a person.

Every stage's section is there; of its keys only those that this project sets, and as comments
those that somebody is likely to need.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.init.describe import Described
from flows.init.yaml_text import WIDTH, comment_lines, entry, flow, item, noted, scalar, spare
from pipeline.onboarding.columns.proposal import ProposedColumn
from pipeline.onboarding.gates.proposed_rule import ProposedRule

SCHEMA = "# yaml-language-server: $schema=../../docs/project.schema.json"
ABOUT = {
    "question": "what is predicted, of whom, in one sentence",
    "use": "what the answer may be used for, and what not",
    "source": "where the data come from",
    "licence": "the data's licence, or who may use them",
    "population": "whom the rows stand for, and when they were collected",
}
NOT_SAID = "not said yet"


def project_text(found: Described) -> str:
    """The whole file."""
    sections = (
        _head(found),
        _about(),
        _columns(found),
        ["ingest:", *_keys({"source": f"raw/{found.file}", **found.ingest})],
        ["validate: {}  # the expectations stand in contract.json"],
        _clean(found),
        _split(found),
        ["audit: {}"],
        _balance(found),
        _train(found),
        _calibrate(found),
        ["evaluate: {}"],
        ["assess: {}"],
        ["explain: {}"],
        _gate(found),
        ["report: {}"],
        ["package: {}"],
        ["rehearse: {}"],
    )
    return "\n".join(line for one in sections for line in one) + "\n"


def _head(found: Described) -> list[str]:
    rows = f"{found.num_rows:,} rows, {len(found.proposal.columns)} columns"
    return [
        SCHEMA,
        *comment_lines(
            f"{found.name}, proposed by `hallmark init` from {found.file} ({rows}). One section per"
            " stage; what is not named here has its default, which `hallmark settings STAGE` "
            "prints."
        ),
    ]


def _about() -> list[str]:
    place = max(map(len, ABOUT)) + len(NOT_SAID) + 4
    lines = ["about:", *comment_lines("FILL IN: report and card show these sentences.", "  ")]
    for key, what in ABOUT.items():
        lines += noted(f"  {key}: {NOT_SAID}", what, place)
    return lines


def _columns(found: Described) -> list[str]:
    columns, of = found.columns, found.proposal
    by_name = {column.name: column for column in of.columns}
    target = by_name[columns.target]
    lines = ["columns:", *noted(f"  target: {scalar(columns.target)}", target.reason)]
    lines.append(f"  task: {columns.task}")
    if columns.positive:
        lines.append(f"  positive: {flow(columns.positive)}")
    for role in ("numeric", "categorical", "dates"):
        lines += _listed(role, [by_name[name] for name in getattr(columns, role)])
    for role in ("identifier", "weight"):
        if name := getattr(columns, role):
            lines += noted(f"  {role}: {scalar(name)}", by_name[name].reason)
    lines += _sensitive(found, by_name)
    if columns.missing:
        lines += comment_lines(
            "What a missing value becomes: `median` beside an indicator, a `level` of its own, or "
            "`drop_row`.",
            "  ",
        )
        lines += ["  missing:", *_keys(columns.missing, "    ")]
    if columns.drop:
        lines += ["  drop:", *_keys(columns.drop, "    ")]
    return lines


def _sensitive(found: Described, by_name: dict[str, ProposedColumn]) -> list[str]:
    columns = found.columns
    if columns.sensitive:
        lines = comment_lines(
            "Whose groups are compared; no features unless named above as well.", "  "
        )
        lines += _listed("sensitive", [by_name[name] for name in columns.sensitive])
        if columns.sensitive_edges:
            lines += entry("sensitive_edges", columns.sensitive_edges, "  ")
        return lines
    if columns.no_sensitive:
        return entry("no_sensitive", columns.no_sensitive, "  ")
    suspected = [
        name
        for one in found.findings
        if one.kind == "looks_sensitive"
        for name in one.columns
        if name in by_name
    ]
    example = list(dict.fromkeys(suspected)) or ["COLUMN"]
    return [
        *comment_lines(
            "NAME the columns whose groups are compared, or say why there is none: without either "
            "the gate has not enough evidence.",
            "  ",
        ),
        *spare([f"  sensitive: {flow(example)}", "  no_sensitive: why no column is sensitive"]),
    ]


def _listed(role: str, columns: Sequence[ProposedColumn]) -> list[str]:
    """A role's columns, each with its reason."""
    if not columns:
        return []
    texts = [f"    - {scalar(one.name)}" for one in columns]
    place = min(max(map(len, texts)), 40)
    lines = [f"  {role}:"]
    for text, one in zip(texts, columns, strict=True):
        lines += noted(text, one.reason, place)
    return lines


def _keys(content: Mapping[str, Any], indent: str = "  ") -> list[str]:
    return [line for key, value in content.items() for line in entry(key, value, indent)]


def _clean(found: Described) -> list[str]:
    if not found.proposal.rules:
        return ["clean: {}  # `rules` are applied in their order; see docs/bring-your-data.md"]
    lines = ["clean:", "  rules:"]
    for rule in found.proposal.rules:
        lines += item(rule, "    ")
    return lines


def _split(found: Described) -> list[str]:
    sizes = found.part_sizes
    told = ", ".join(f"{name} {sizes[name]:,}" for name in sizes)
    if not found.split:
        return [f"split: {{}}  # rows: {told}"]
    lines = [f"split:  # rows: {told}"]
    if "by" in found.split:
        lines += comment_lines("A value comes more than once: its rows share a part.", "  ")
    if "shares" in found.split:
        keys = {key: value for key, value in found.split.items() if key != "shares"}
        lines += _keys(keys)
        lines += comment_lines("Few rows: validation and calibration get more than usual.", "  ")
        return [*lines, *entry("shares", found.split["shares"], "  ")]
    return [*lines, *_keys(found.split)]


def _balance(found: Described) -> list[str]:
    if not found.columns.sensitive or found.columns.task == "regression":
        return ["balance: {}"]
    return [
        "balance:",
        "  method: none  # or reweigh, resample: groups and labels made independent",
    ]


def _train(found: Described) -> list[str]:
    if not found.train and not found.columns.sensitive:
        return ["train: {}"]
    lines = ["train:"]
    if found.train:
        lines += comment_lines(
            f"Sized for {found.part_sizes['train']:,} training rows: at least ten steps in a pass, "
            "more passes, and more patience than usual.",
            "  ",
        )
        lines += _keys(found.train)
    if found.columns.sensitive:
        lines += [
            "  mitigation:",
            *noted(
                "    strength: 0",
                "above 0 training closes gaps between groups, for instance 0.5; `hallmark frontier "
                f"{found.name}` chooses",
            ),
        ]
    return lines


def _calibrate(found: Described) -> list[str]:
    if not any(rule.rule["measure"] == "average_precision" for rule in found.rules):
        return ["calibrate: {}"]
    return [
        "calibrate:",
        "  maximise: accuracy  # or balanced_accuracy, where finding the rare class counts more",
    ]


def _gate(found: Described) -> list[str]:
    if not found.rules:
        return ["gate:", "  rules: []  # none could be proposed: `split` would stop a build"]
    lines = ["gate:"]
    lines += comment_lines(
        "Each limit with where it comes from: training rows and numbers of rows, never the test "
        "part's results.",
        "  ",
    )
    lines.append("  rules:")
    for rule in found.rules:
        lines += _rule(rule)
    return lines


def _rule(rule: ProposedRule) -> list[str]:
    above = comment_lines(rule.comment, "    ") if rule.comment else []
    line = f"    - {flow(rule.rule)}"
    if not rule.is_active:
        return [*above, *spare([line])]
    if not rule.spare and len(line) <= WIDTH:
        return [*above, line]
    keys = [line for key, value in rule.rule.items() for line in entry(key, value, "      ")]
    spares = [line for key, text in rule.spare.items() for line in entry(key, text, "      ")]
    return [*above, f"    - {keys[0].lstrip()}", *keys[1:], *spare(spares)]
