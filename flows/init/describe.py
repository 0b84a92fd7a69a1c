"""From a file to the description of a project: roles, rules, contract, split, training, gates.

Everything that looks at rows is asked of the pipeline; this module only hands tables on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.init.request import Wanted
from pipeline.core.errors import PipelineError, ProjectError
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.problems import nearest
from pipeline.core.settings.sections import section
from pipeline.onboarding.columns.proposal import Finding, Proposal, ProposedColumn
from pipeline.onboarding.gates.proposed_rule import ProposedRule

if TYPE_CHECKING:
    import polars as pl

MODALITY = "tabular"
FEW_ROWS = 1_000
SMALL_SHARES = {"train": 0.42, "validation": 0.13, "calibration": 0.13, "test": 0.32}
"""Of tables with fewer rows: what stops the training and what fits the threshold need some."""
FEATURES = ("numeric", "categorical", "date")
LEFT_OUT = "left out by whoever made the project (`--drop`)"
LEAK = "alone it nearly gives the target: was it known before?"
NO_LEAK = (
    "it is under `columns.drop`; if it was known before the outcome was, move it to the features"
)
URGENT = ("leak", "too_good", "rare_target", "looks_sensitive")
Told = Callable[[str], None]


@dataclass(frozen=True)
class Described:
    """A project that nobody has written down yet.

    Attributes:
        name: Of the project.
        file: The raw file's name, below raw/.
        num_rows: As read.
        ingest: Keys of the section, but for the source.
        proposal: The columns' roles, the cleaning rules, what was found.
        columns: The section, as typed settings.
        split: Keys of the section.
        train: Keys of the section.
        rules: Of the gate.
        part_sizes: Rows of each part of the split.
        contract: The whole content of contract.json.
        findings: Of all; the most urgent first.
    """

    name: str
    file: str
    num_rows: int
    ingest: Mapping[str, Any]
    proposal: Proposal
    columns: Columns
    split: Mapping[str, Any]
    train: Mapping[str, Any]
    rules: tuple[ProposedRule, ...]
    part_sizes: Mapping[str, int]
    contract: Mapping[str, Any]
    findings: tuple[Finding, ...]


def described(wanted: Wanted, file: Path, name_of_file: str, told: Told) -> Described:
    """Read the file and propose everything.

    Args:
        wanted: What was asked for.
        file: The raw file, or a query's answer as parquet.
        name_of_file: Below raw/.
        told: Hears what is done just now.

    Raises:
        ProjectError: the file cannot be read, or has not the columns that were named.
    """
    told(f"reading {file.name}")
    ingest, delivered = _read(file)
    _check_columns(wanted, delivered.columns)
    told("looking at the columns")
    proposal = _proposed(wanted, delivered)
    columns = columns_of(proposal, wanted)
    told("cleaning by the proposed rules")
    prepared = _prepared(delivered, proposal, columns, wanted.name)
    told("dividing the rows")
    split = _split(columns, prepared)
    parts, stopped = _parts(prepared, split, columns)
    sizes = {name: rows.height for name, rows in parts.items()}
    told(f"cross-validating a baseline on {sizes['train']:,} training rows")
    rules = _gates(parts["train"], columns, sizes["test"]) if not stopped else ()
    told("inferring the contract")
    from pipeline.onboarding import sizing
    from pipeline.onboarding.contract.inference import inferred

    contract = inferred(delivered, prepared, columns, wanted.name)
    training = sizing.proposed_training(sizes["train"])
    of_gates = tuple(rule.finding for rule in rules if rule.finding)
    return Described(
        name=wanted.name,
        file=name_of_file,
        num_rows=delivered.height,
        ingest=ingest,
        proposal=proposal,
        columns=columns,
        split=split,
        train=training,
        rules=rules,
        part_sizes=sizes,
        contract=contract,
        findings=(*stopped, *_in_order(proposal.findings, of_gates)),
    )


def texts_of(found: Described) -> dict[str, str]:
    """The two files that people read and edit."""
    from flows.init.project_text import project_text
    from pipeline.core.contract.contract import contract_text

    return {
        "project.yaml": project_text(found),
        "contract.json": contract_text(dict(found.contract)),
    }


def _read(file: Path) -> tuple[dict[str, Any], "pl.DataFrame"]:
    """The keys of `ingest` that this file needs, and the table as `ingest` will read it."""
    from pipeline.ingest.stage import Settings
    from pipeline.onboarding.reading.reading import detect, read

    keys = detect(file)
    given = {"ingest": {"source": file.name, **keys}}
    settings = section(Path("project.yaml"), given, "ingest", Settings, MODALITY)
    return keys, read(file.name, settings, file.parent)


def _check_columns(wanted: Wanted, found: list[str]) -> None:
    for option, names in (
        ("--target", (wanted.target,)),
        ("--sensitive", wanted.sensitive),
        ("--drop", wanted.drop),
    ):
        for name in names:
            if name not in found:
                raise ProjectError(
                    f"{option}: expected a column of {Path(wanted.source).name}, got {name!r}",
                    hint=nearest(name, tuple(found[:40])),
                )


def _proposed(wanted: Wanted, delivered: "pl.DataFrame") -> Proposal:
    given: dict[str, Any] = {"positive": wanted.positive, "sensitive": wanted.sensitive}
    if wanted.task:
        given["task"] = wanted.task
    from pipeline.onboarding.table import propose

    found = without_leaks(propose(delivered.drop(wanted.drop), wanted.target, **given))
    known = {one.name: one for one in found.columns}
    columns = [
        known.get(name, ProposedColumn(name, "drop", LEFT_OUT)) for name in delivered.columns
    ]
    return replace(found, columns=tuple(columns))


def without_leaks(found: Proposal) -> Proposal:
    """Drop the features that alone nearly give the target, until a person says otherwise.

    A model that has them learns nothing else, and limits that were found with them would refuse
    every model that has not.
    """
    leaks = {name for one in found.findings if one.kind == "leak" for name in one.columns}
    columns = [
        replace(one, role="drop", reason=LEAK, missing=None)
        if one.name in leaks and one.role in FEATURES
        else one
        for one in found.columns
    ]
    findings = [
        replace(one, advice=NO_LEAK) if one.kind == "leak" else one for one in found.findings
    ]
    return replace(found, columns=tuple(columns), findings=tuple(findings))


def columns_of(proposal: Proposal, wanted: Wanted) -> Columns:
    """The section `columns` of a proposal."""
    identifiers, weights = proposal.named("identifier"), proposal.named("weight")
    sensitive = proposal.named("sensitive")
    return Columns(
        target=wanted.target,
        task=proposal.task,
        positive=proposal.positive if proposal.task == "binary" else "",
        numeric=tuple(proposal.named("numeric")),
        categorical=tuple(proposal.named("categorical")),
        dates=tuple(proposal.named("date")),
        missing={one.name: one.missing for one in proposal.columns if one.missing},
        identifier=identifiers[0] if identifiers else None,
        weight=weights[0] if weights else None,
        no_sensitive=wanted.no_sensitive if not sensitive else None,
        sensitive=tuple(sensitive),
        sensitive_edges={one.name: one.edges for one in proposal.columns if one.edges},
        drop={one.name: one.reason for one in proposal.columns if one.role == "drop"},
    )


def _prepared(
    delivered: "pl.DataFrame", proposal: Proposal, columns: Columns, name: str
) -> "pl.DataFrame":
    """The table as `clean` will have it."""
    from pipeline.clean import stage as clean

    source = Path("data") / name / "project.yaml"
    given = {"clean": {"rules": [dict(rule) for rule in proposal.rules]}}
    settings = section(source, given, "clean", clean.Settings, MODALITY)
    cleaning = part(MODALITY, "data.cleaning")
    table, _ = cleaning.cleaned(delivered, settings.rules, columns)
    clean.check_classes(table, columns)
    found: pl.DataFrame = table
    return found


def _split(columns: Columns, prepared: "pl.DataFrame") -> dict[str, Any]:
    """Keys of the section: rows about one thing stay together, parts of few rows are larger."""
    found: dict[str, Any] = {}
    named = columns.identifier
    if named and prepared[named].null_count() == 0 and prepared[named].n_unique() < prepared.height:
        found = {"by": "group", "column": named}
    if prepared.height < FEW_ROWS:
        found["shares"] = SMALL_SHARES
    return found


def _parts(
    prepared: "pl.DataFrame", split: Mapping[str, Any], columns: Columns
) -> tuple[dict[str, "pl.DataFrame"], tuple[Finding, ...]]:
    """The parts as `split` will make them; what it would refuse, as a finding."""
    from pipeline.split import stage

    settings = section(Path("project.yaml"), {"split": split}, "split", stage.Settings, MODALITY)
    parts = stage.divide(prepared, settings, columns, part(MODALITY, "data.content"))
    try:
        stage.check_classes(parts, columns)
    except PipelineError as error:
        what = "; ".join((error.message, *error.findings))
        return parts, (Finding("rare_target", (columns.target,), what, error.hint),)
    return parts, ()


def _gates(train: "pl.DataFrame", columns: Columns, num_test: int) -> tuple[ProposedRule, ...]:
    from pipeline.onboarding.gates.gate_proposal import proposed_rules

    return tuple(proposed_rules(train, columns, MODALITY, num_test))


def _in_order(of_columns: tuple[Finding, ...], of_gates: tuple[Finding, ...]) -> list[Finding]:
    """What spoils a model first, then what the gate will not pass, then the rest as it came."""
    first = [one for one in of_columns if one.kind in URGENT]
    # Which groups are too small, the gate's rules say: they know the limit.
    rest = [one for one in of_columns if one.kind not in (*URGENT, "small_group")]
    return [*first, *of_gates, *rest]
