"""Put a passing model into a bento: model, policy, contract, card, and the code that serves them.

Reads: the model's files, train/report.json, calibrate/policy.json, explain/reference.json,
gate/verdict.json, report/report.html, ingest/profile.json, clean/rules.json, contract.json,
requirements.lock.
Writes: bento/, the same bytes for the same inputs; report.json.
Refuses when: the verdict is no pass, with an override or without; what the project says of a field
is against the contract; the model's pretrained weights are in no package.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, model_validator

from pipeline.core.bento import folder as bento
from pipeline.core.cleaning.rules import Rule, for_requests
from pipeline.core.contract.contract import load_contract
from pipeline.core.errors import GateRefused
from pipeline.core.files import damaged, missing, read_json, write_json
from pipeline.core.paths import Paths
from pipeline.core.prediction import prediction
from pipeline.core.prediction.outcome import Outcome
from pipeline.core.prediction.output_policy import OutputPolicy, read_policy
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import optional_part
from pipeline.core.settings.problems import Unsuitable
from pipeline.core.settings.project import Project
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.verdict.override_records import passes
from pipeline.service import build
from pipeline.service.checks import IN_SET, Enforcement
from pipeline.service.fields import FieldText, fields_of
from pipeline.service.requested import enforced_of, requested
from pipeline.service.whole_fields import LIMITS, stated, wholes_of

SECTIONS = ("columns",)

INPUTS = {
    f"{bento.MODEL}/encoder.json": ("train", "encoder.json"),
    f"{bento.MODEL}/model.json": ("train", "model.json"),
    f"{bento.MODEL}/weights.safetensors": ("train", "weights.safetensors"),
    f"{bento.MODEL}/policy.json": ("calibrate", "policy.json"),
    bento.CARD: ("report", "report.html"),
    bento.VERDICT: ("gate", "verdict.json"),
}
"""What goes into the bento as it is, from which stage."""
SETTINGS = (
    ("ingest", "profile.json"),
    ("clean", "rules.json"),
    ("train", "report.json"),
    ("explain", "reference.json"),
)
"""What the service's settings are made from."""


class Settings(Frozen):
    fields: Mapping[str, FieldText] = Field(default_factory=dict)
    """What people are told of single fields: title, unit, example; the rest says the contract."""
    max_rows: int = Field(1000, ge=1)
    """Rows of one request."""
    max_body_bytes: int = Field(1_048_576, ge=1024)
    """Bytes of a request's body."""
    max_batch_rows: int = Field(4096, ge=1)
    """Rows that are predicted at once."""
    max_waiting_rows: int = Field(50_000, ge=1)
    """Rows that may wait; a request beyond is answered 503 and told to come again."""
    body_timeout_s: float = Field(8, gt=0)
    """A body that has not arrived by then is refused."""
    request_timeout_s: float = Field(10, gt=0)
    """BentoML ends any request after so many seconds, with 504: more than `max_rows` rows or an
    explanation take."""
    max_image_bytes: int = Field(524_288, ge=64)
    """Bytes of an image, before base64, which makes them a third more of the body."""
    max_image_pixels: int = Field(
        4_194_304, ge=1, le=50_000_000, json_schema_extra={"unit": "pixels"}
    )
    """Width times height of an image, by its header, before it is decoded; of all images of one
    request together, four times as many."""
    max_image_side: int = Field(8_192, ge=1, le=20_000, json_schema_extra={"unit": "pixels"})
    """Width and height of an image, in pixels."""
    max_text_characters: int = Field(20_000, ge=1, json_schema_extra={"unit": "characters"})
    """Characters of a text, before it is cleaned."""

    @model_validator(mode="after")
    def _a_body_in_time(self) -> "Settings":
        if self.body_timeout_s >= self.request_timeout_s:
            raise Unsuitable(
                f"expected body_timeout_s to be less than request_timeout_s, got "
                f"{self.body_timeout_s:g} and {self.request_timeout_s:g}",
                "raise `request_timeout_s`, which has the body's time and that of the answer",
            )
        return self


def run(project: Project[Settings], paths: Paths) -> None:
    check_verdict(read_json(paths.input("gate", "verdict.json")), project.name)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        enforced = gather(project, paths, source)
        made, facts = build.built(source, project.name, locks(project, paths))
        report = {
            **facts,
            "model_digest": bento.model_digest(source / bento.MODEL),
            "enforced": list(enforced.enforced),
            "not_enforced": list(enforced.not_enforced),
        }
        put(made, paths.output("bento"))
    write_json(paths.output("report.json"), report)


def check_verdict(verdict: dict[str, Any], name: str) -> None:
    """Refuse a model that the gate did not pass.

    Raises:
        GateRefused: the verdict is no pass, with an override or without.
    """
    if not passes(verdict["outcome"]):
        kept_not = [rule["sentence"] for rule in verdict["rules"] if rule.get("refuses", True)]
        raise GateRefused(
            f"package: expected the verdict pass, got {verdict['outcome']}: nothing is packaged",
            findings=kept_not,
            hint=f"data/{name}/70_report/report.html shows why; `hallmark override {name}` lets a "
            "named person answer for it until a date",
        )


def gather(project: Project[Settings], paths: Paths, source: Path) -> Enforcement:
    """Write what the bento holds besides code into `source`; return what the service enforces."""
    name = f"data/{project.name}/contract.json"
    contract = load_contract(paths.home / "contract.json", name)
    for target, (stage, file) in INPUTS.items():
        copy(paths.input(stage, file), source / target)
    copy(paths.home / "contract.json", source / bento.CONTRACT)
    check_portable(project, read_json(paths.input("train", "model.json")))
    policy = read_policy(paths.input("calibrate", "policy.json"))
    enforced = enforced_of(contract, project.columns, project.modality, policy)
    write_json(source / bento.SERVICE, service_settings(project, paths, contract, enforced, policy))
    origins = [paths.input(*one) for one in (*INPUTS.values(), *SETTINGS)]
    origins += [paths.home / "contract.json", *locks(project, paths)]
    proof = {
        "project": project.name,
        "modality": project.modality,
        "model_digest": bento.model_digest(source / bento.MODEL),
        "made_from": {
            file.relative_to(paths.root).as_posix(): bento.file_digest(file)
            for file in sorted(origins)
        },
    }
    write_json(source / bento.PROOF, proof)
    return enforced


def check_portable(project: Project[Settings], architecture: dict[str, Any]) -> None:
    """Refuse a model that needs files which neither the bento nor a package of it carries."""
    if made := optional_part(project.modality, "serving.portability"):
        made.check(architecture, project.name)


def locks(project: Project[Settings], paths: Paths) -> list[Path]:
    """What pins the requirements: the lock of all projects, and those of the modality alone."""
    own = sorted((paths.root / "pipeline" / project.modality).rglob("*.lock"))
    return [paths.root / "requirements.lock", *own]


def service_settings(
    project: Project[Settings],
    paths: Paths,
    contract: dict[str, Any],
    enforced: Enforcement,
    policy: Policy | OutputPolicy,
) -> dict[str, Any]:
    """The content of service.json: columns, cleaning rules, fields, labels, limits."""
    columns, settings = project.columns, project.settings
    rules = rules_of(paths.input("clean", "rules.json"), requested(columns, policy))
    profile = read_json(paths.input("ingest", "profile.json"))
    delivered = {column["name"]: column["dtype"] for column in profile["columns"]}
    limits = settings.model_dump(mode="json", exclude={"fields"})
    of_values = {name: limits.pop(name) for name in LIMITS}
    wholes = wholes_of(columns, project.modality, enforced, of_values)
    fields = fields_of(columns, rules, enforced, delivered, settings.fields, policy, wholes)
    return {
        "project": project.name,
        "modality": project.modality,
        "columns": columns.model_dump(mode="json"),
        "labels": labels_of(contract, columns, read_json(paths.input("train", "model.json"))),
        "rules": [rule.model_dump(mode="json") for rule in rules],
        "fields": [field.as_dict() for field in fields],
        "reference": read_json(paths.input("explain", "reference.json")),
        "computed": computed(read_json(paths.input("train", "report.json"))),
        "limits": {**limits, "of_values": stated(wholes)},
    }


def computed(trained: Mapping[str, Any]) -> dict[str, str]:
    """On what the service computes, and in which precision the model was trained and is served."""
    precision = trained.get("precision", prediction.PRECISION)
    return {
        "device": prediction.DEVICE,
        "trained_in": precision,
        "served_in": prediction.PRECISION,
    }


def rules_of(source: Path, names: tuple[str, ...]) -> tuple[Rule, ...]:
    """The cleaning rules of requests that carry these columns."""
    content = read_json(source)
    try:
        rules = TypeAdapter(tuple[Rule, ...]).validate_json(json.dumps(content), strict=True)
    except ValueError as error:
        raise damaged(source, "rules", error) from None
    return for_requests(rules, names)


def labels_of(contract: dict[str, Any], columns: Columns, model: Mapping[str, Any]) -> list[str]:
    """The classes as text, as `core.dataset.labels` has them; none where a number is predicted.

    Args:
        contract: Of two classes, it may name the negative one.
        columns: The project's columns.
        model: The content of model.json, which names several classes.
    """
    if columns.task == "binary":
        return [negative_label(contract, columns), columns.positive]
    return list(Outcome.from_dict(model).classes)


def negative_label(contract: dict[str, Any], columns: Columns) -> str:
    """The other class by its name, where the contract names both."""
    for entry in contract["prepared"]["expectations"]:
        about = entry["kwargs"]
        whole = entry["type"] == IN_SET and about.get("mostly", 1) == 1
        if whole and about.get("column") == columns.target:
            named = [as_text(one) for one in about["value_set"]]
            others = [one for one in named if one != columns.positive]
            if len(others) == 1:
                return others[0]
    return f"not {columns.positive}"


def as_text(value: Any) -> str:
    """A contract's value as `labels` has that of a cell: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def copy(source: Path, target: Path) -> None:
    """Copy one file; raise ArtifactMissing when there is none."""
    if not source.is_file():
        raise missing(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def put(made: Path, target: Path) -> None:
    """Put a folder in the place of another, whole."""
    beside = target.with_name(f".{target.name}")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(made, beside)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
