"""The model behind the service: loaded from the bento's files, asked with rows of requests."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline.core.bento import folder as bento
from pipeline.core.cleaning.rules import Rule
from pipeline.core.contract.contract import load_contract
from pipeline.core.files import damaged, read_json
from pipeline.core.prediction import prediction
from pipeline.core.prediction.output_policy import OutputPolicy, policy_of
from pipeline.core.prediction.policy import Policy
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.modality import part
from pipeline.core.settings.typed_settings import strictly
from pipeline.service.answers import Answers, answers_of
from pipeline.service.fields import Field
from pipeline.service.requested import enforced_of
from pipeline.service.requests import Batch, Reader, reader_of


@dataclass(frozen=True)
class Limits:
    """What one request may ask.

    Attributes:
        max_rows: Rows of one request.
        max_body_bytes: Bytes of its body.
        max_batch_rows: Rows that are predicted at once.
        max_waiting_rows: Rows that may wait; more are turned away until some are answered.
        body_timeout_s: Seconds in which a body must have arrived.
        request_timeout_s: Seconds after which BentoML ends a request.
        of_values: Those of one image or text, by the name of the setting.
    """

    max_rows: int
    max_body_bytes: int
    max_batch_rows: int
    max_waiting_rows: int
    body_timeout_s: float
    request_timeout_s: float
    of_values: dict[str, int]


@dataclass(frozen=True)
class Answer:
    """One request's answer: a prediction for each row, or why it is refused."""

    predictions: list[dict[str, Any]]
    findings: list[dict[str, Any]]


@dataclass
class Predictor:
    """A packaged model, ready to answer.

    Attributes:
        project: The project's name.
        model: Encoder and network.
        policy: From outputs to decisions, where there are some.
        reader: From rows to what the network takes.
        answers: From the network's outputs to what is said of rows.
        reference: What an explanation compares a row with; see `explanation_of`.
        limits: What one request may ask.
        digest: The model's digest.
        card: The report for people, HTML.
        overrides: What lets the model break rules of its gate, as its verdict has it.
    """

    project: str
    modality: str
    model: prediction.Predictor
    policy: Policy | OutputPolicy
    reader: Reader
    answers: Answers
    reference: dict[str, Any]
    limits: Limits
    digest: str
    card: bytes
    overrides: tuple[dict[str, Any], ...] = ()

    @property
    def fields(self) -> list[Field]:
        return list(self.reader.fields.values())

    def answer(self, requests: Sequence[Sequence[Any]]) -> list[Answer]:
        """Predict the rows of many requests in one go; those with findings are left out."""
        batch = self.reader.read(requests)
        accepted = [place for one in batch.readings if not one.findings for place in one.rows]
        codes, groups = batch.codes, batch.groups
        if len(accepted) != len(codes):
            codes = codes[accepted]
            groups = [groups[place] for place in accepted] if groups else groups
        predictions, start, answers = self._predictions(codes, groups), 0, []
        for one in batch.readings:
            if one.findings:
                answers.append(Answer([], one.findings))
                continue
            found = predictions[start : start + len(one.rows)]
            start += len(one.rows)
            for number, warnings in one.warnings.items():
                found[number]["warnings"] = [*warnings, *found[number]["warnings"]]
            answers.append(Answer(found, []))
        return answers

    def explanation_of(self, row: Any) -> tuple[list[dict[str, Any]], Callable[[], dict[str, Any]]]:
        """What is wrong with one row; and, when nothing is, the call that explains it.

        The call takes some hundredths of a second and may run in a thread beside predictions.
        """
        batch = self.reader.read([[row]])
        reading = batch.readings[0]
        if reading.findings:
            return reading.findings, dict
        clean, warnings = self.reader.cells.clean(row), reading.warnings.get(0, [])
        return [], lambda: self._explained(clean, batch, warnings)

    def _explained(self, row: dict[str, Any], batch: Batch, warnings: list[str]) -> dict[str, Any]:
        """What of one row contributed to its logit, to that of the decided class, or to its number:
        its fields, the largest first, or its picture or tokens as the report shows them."""
        codes, answers = batch.codes, self.answers
        explanation = part(self.modality, "evaluation.explanation")
        explained = explanation.explained(
            self.model,
            self.reader.encoded(codes),
            self.reference["values"],
            self.reference["num_steps"],
        )
        shown = explanation.case(self.model, explained, 0, row, answers.step, answers.decimals)
        if explanation.KIND == "columns":
            shown = {"contributions": [contribution(one, row) for one in shown["attributions"]]}
        else:
            shown["kind"] = explanation.KIND
        predicted = self._predictions(codes, batch.groups)[0]
        return {
            **predicted,
            "warnings": [*warnings, *predicted["warnings"]],
            "reference": self.reference["words"],
            **shown,
            "unit": answers.unit,
        }

    def example(self) -> dict[str, Any]:
        """A valid row."""
        return {field.name: field.example for field in self.fields}

    def _predictions(self, codes: NDArray[np.float64], groups: list[str]) -> list[dict[str, Any]]:
        if not len(codes):
            return []
        encoded = self.reader.encoded(codes)
        return self.answers.of(self.model.logits_of(encoded), encoded, groups)


def contribution(found: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A column's attribution as the service tells it: with the value that was sent."""
    name = found["column"]
    return {"field": name, "value": row.get(name), "contribution": found["attribution"]}


def load(folder: Path) -> Predictor:
    """Load the model from a bento's source folder.

    Raises:
        ArtifactMissing: a file is absent or damaged, or the model is not the one that the proof
            names.
    """
    source = folder / bento.SERVICE
    state = read_json(source)
    proof = read_json(folder / bento.PROOF)
    digest = bento.model_digest(folder / bento.MODEL)
    if proof["model_digest"] != digest:
        raise damaged(folder / bento.PROOF, "proof", ValueError("the model's files are others"))
    model = prediction.load(folder / bento.MODEL, state["modality"])
    policy = policy_of(read_json(folder / bento.MODEL / "policy.json"))
    contract = load_contract(folder / bento.CONTRACT, bento.CONTRACT)
    columns = strictly(Columns, state["columns"], {})
    rules = TypeAdapter(tuple[Rule, ...]).validate_json(json.dumps(state["rules"]), strict=True)
    fields = [Field.from_dict(one) for one in state["fields"]]
    enforced = enforced_of(contract, columns, state["modality"], policy)
    return Predictor(
        project=state["project"],
        modality=state["modality"],
        model=model,
        policy=policy,
        reader=reader_of(
            state["modality"], model.encoder, fields, columns, rules, enforced, policy
        ),
        answers=answers_of(policy, model.outcome, state["labels"], columns.target),
        reference=state["reference"],
        limits=Limits(**state["limits"]),
        digest=digest,
        card=(folder / bento.CARD).read_bytes(),
        overrides=tuple(read_json(folder / bento.VERDICT).get("overrides", ())),
    )
