"""The page says what the reports say, refuses to guess, and is the same page every time."""

import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import ArtifactMissing
from pipeline.core.paths import Paths
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.project import Project
from pipeline.core.settings.sections import About
from pipeline.core.verdict.sensitive_named import decide_named
from pipeline.image.data import profile as images
from pipeline.report.card import roles
from pipeline.report.stage import Settings, run
from tests import images as pictures

EVIL = "<script>alert(1)</script>"
SPAN = {"value": 0.9, "low": 0.88, "high": 0.92}
METRICS = {"roc_auc": SPAN, "accuracy": {"value": 0.8, "low": 0.78, "high": 0.82}}
RATE = {"value": 0.25, "low": 0.2, "high": 0.3}
ABOUT = About(
    question="Will it rain?",
    use="Umbrellas alone.",
    source="The station on the hill",
    licence="CC BY 4.0",
    population="Days of 2020",
)
COLUMNS = Columns(
    target="rain",
    positive="yes",
    numeric=("wind",),
    categorical=("town",),
    sensitive=("town",),
    drop={"id": "names the day"},
)


def rule(outcome: str, measure: str = "accuracy", by: str | None = None) -> dict[str, Any]:
    return {
        "rule": f"{measure} ≥ 0.7",
        "measure": measure,
        "by": by,
        "direction": "at_least",
        "bound": 0.7,
        "outcome": outcome,
        "value": 0.71,
        "low": 0.65,
        "high": 0.77,
        "noise_floor": None,
        "too_small": [],
        "accepted_small_groups": None,
        "sentence": f"{measure} is 0.710, said of {outcome}.",
        "baseline": {"outcome": "pass", "value": 0.8, "low": 0.79, "high": 0.81},
    }


def expectation(success: bool, severity: str = "critical") -> dict[str, Any]:
    return {
        "expectation": "expect_column_values_to_be_between",
        "column": "wind",
        "severity": severity,
        "success": success,
        "expected": {"min_value": 0, "max_value": 200, "mostly": 0.99},
        "observed": None,
        "num_unexpected": 0 if success else 7,
        "share_unexpected": 0.0 if success else 0.07,
        "meaning": "Wind has no negative speed.",
    }


def checked(part: str, *expectations: dict[str, Any]) -> dict[str, Any]:
    return {"part": part, "rows": 100, "success": True, "expectations": list(expectations)}


def group(name: str, too_small: bool = False) -> dict[str, Any]:
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
    return {"group": name, "num_rows": 20, "too_small": too_small, **dict.fromkeys(rates, RATE)}


def reports() -> dict[str, Any]:
    """A whole set of small inputs, by file."""
    gap = {"value": 0.05, "low": 0.01, "high": 0.09, "noise_floor": 0.02}
    measured = {
        "town": {
            "groups": [group("Ayr"), group(EVIL), group("Tiny", too_small=True)],
            "too_small": ["Tiny"],
            "gaps": {"demographic_parity_difference": gap, "demographic_parity_ratio": gap},
        }
    }
    audited = {
        "num_rows": 30,
        "share": 0.5,
        "num_positive": 9,
        "positive_rate": 0.3,
        "positive_rate_low": 0.2,
        "positive_rate_high": 0.4,
        "missing": {"wind": 0.1},
        "too_small": False,
    }
    column = {"name": "wind", "num_missing": 3, "num_distinct": 40}
    part = {"rows": 25, "share": 0.25, "positive_rate": 0.3}
    return {
        "10_ingest/profile.json": {
            "sha256": "ab" * 32,
            "bytes": 1234,
            "rows": 100,
            "columns": [column],
        },
        "15_validate/report.json": {
            **checked("delivered", expectation(True)),
            "prepared": checked("prepared", expectation(False, "warning")),
            "causes": [],
        },
        "20_clean/ledger.json": {
            "rows_in": 100,
            "rows_out": 98,
            "rules": [
                {"name": "no dots", "rule": "replace", "cells": {"town": 41}, "rows_dropped": 2}
            ],
        },
        "25_split/report.json": {
            "rows": 98,
            "parts": dict.fromkeys(("train", "validation", "calibration", "test"), part),
        },
        "30_audit/report.json": {
            "min_group_size": 10,
            "confidence": 0.95,
            "by": {
                "town": [
                    {**audited, "group": {"town": EVIL}},
                    {**audited, "group": {"town": None}, "too_small": True},
                ]
            },
            "gaps": {"town": None},
        },
        "35_balance/report.json": {"method": "none", "columns": []},
        "40_train/report.json": {
            "num_train_rows": 25,
            "num_parameters": 12,
            "num_epochs": 2,
            "best_epoch": 1,
            "stopped": "max_epochs",
            "settings": {"seed": 0, "mitigation": {"strength": 0.25, "columns": None}},
        },
        "45_calibrate/policy.json": {"temperature": 1.1, "threshold": 0.4, "maximise": "accuracy"},
        "50_evaluate/report.json": {
            "num_rows": 25,
            "confidence": 0.95,
            "num_replicates": 100,
            "model": {"metrics": METRICS},
            "baseline": {"name": "a tree", "metrics": METRICS},
            "champion": {"outcome": "none", "note": "no model of this project is live"},
            "slices": [
                {
                    "column": "town",
                    "slice": EVIL,
                    "num_rows": 9,
                    "accuracy": 0.5,
                    "low": 0.3,
                    "high": 0.7,
                }
            ],
        },
        "55_assess/report.json": {
            "confidence": 0.95,
            "min_group_size": 10,
            "model": measured,
            "baseline": measured,
        },
        "60_explain/report.json": {
            "kind": "columns",
            "num_rows": 25,
            "ranking": [{"column": "wind", "mean_absolute": 0.5, "mean": 0.1}],
            "cases": [
                {
                    "row": 7,
                    "probability": 0.00001,
                    "decision": 0,
                    "attributions": [
                        {"column": "wind", "value": 33, "attribution": -1.5},
                        {"column": "town", "value": "Secretville", "attribution": 0.5},
                    ],
                }
            ],
        },
        "65_gate/verdict.json": {
            "outcome": "pass",
            "confidence": 0.95,
            "rules": [rule("pass"), rule("pass", "roc_auc")],
            "baseline_outcome": "pass",
        },
        "40_train/curves.jsonl": "".join(
            json.dumps({"epoch": i, "train_loss": 1 / i, "validation_loss": 1.1 / i}) + "\n"
            for i in (1, 2)
        ),
        "50_evaluate/roc.csv": "false_positive_rate,true_positive_rate\n0,0\n0.2,0.8\n1,1\n",
        "50_evaluate/reliability.csv": (
            "bin,num_rows,mean_probability,positive_rate\n0,10,0.05,0.06\n9,15,0.95,0.9\n"
        ),
        "40_train/encoder.json": {},
        "40_train/model.json": {},
        "40_train/weights.safetensors": "weights",
    }


class Page(HTMLParser):
    """Text in reading order, tags with their attributes, and whether every tag is closed."""

    VOID = frozenset({"meta", "link", "br", "use", "path", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.words, self.tags, self.open = html, [""], [("", {"": ""})], [""]
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.words.append(data)

    def part(self, start: str, end: str) -> str:
        """The text from one heading to another."""
        return self.text[self.text.index(start) : self.text.index(end)]


Change = Callable[[dict[str, Any]], object]


def written(root: Path, change: Change | None = None) -> Paths:
    """The inputs as files below `root`, changed by `change`."""
    inputs = reports()
    if change is not None:
        change(inputs)
    for name, content in inputs.items():
        target = root / "data" / "rain" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content))
    return Paths(root=root, project="rain", stage="report")


def page(
    root: Path,
    change: Change | None = None,
    columns: Columns = COLUMNS,
    settings: Settings | None = None,
) -> Page:
    paths = written(root, change)
    run(
        Project("rain", "tabular", settings or Settings(), {"about": ABOUT, "columns": columns}),
        paths,
    )
    return Page(paths.output("report.html").read_text())


def test_the_page_has_every_part(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "✓ Passed The model keeps every rule." in found.text
    for words in (
        *ABOUT.model_dump().values(),
        "ab" * 32,
        "100 rows, 1 columns, 1,234 bytes",
        "Wind has no negative speed.",
        "98 went out",
        "no dots",
        "strength 0.25 on the spread of selection rates between groups of town",
        "decides positive from 40% on",
        "a tree",
        "No model of this project is in use",
        "Too few test rows to compare (fewer than 10): Tiny.",
        "(missing)",
    ):
        assert words in found.text, words


def test_every_rule_and_its_sentence_is_there(tmp_path: Path) -> None:
    found = page(tmp_path)
    rules = found.part("Each rule sets a limit", "Causes.")
    for entry in reports()["65_gate/verdict.json"]["rules"]:
        assert entry["rule"] in rules
        assert entry["sentence"] in rules


def test_what_training_takes_is_said_and_drawn_beside_the_baseline(tmp_path: Path) -> None:
    def counted(files: dict[str, Any]) -> None:
        files["40_train/report.json"]["operations"] = {"training": 2.5e11}
        files["65_gate/verdict.json"]["cut_short"] = "Training was cut short: no budget was left."
        files["65_gate/verdict.json"]["cheap_model"] = {
            "is_cheap": True,
            "as_good": True,
            "operations": 2.5e11,
            "baseline_operations": 5e8,
            "sentence": "The baseline takes 1/500 of the arithmetic and is as good.",
        }

    shown = page(tmp_path, counted)
    assert "Training was cut short: no budget was left. Training took 250 billion" in shown.text
    assert "1/500 of the arithmetic and is as good. So by this measure a model at" in shown.text
    assert "Billions of operations that training the model and the baseline took" in shown.html
    assert "hallmark cost" in shown.text


def test_made_rows_are_counted_cell_by_cell_and_their_checks_told(tmp_path: Path) -> None:
    def made(inputs: dict[str, Any]) -> None:
        measured = {"value": 0.51, "low": 0.5, "high": 0.53, "at_most": 0.65, "passed": True}
        sizes = {"num_rows": 3, "num_rows_after": 1203, "weight": 1.0}
        inputs["35_balance/report.json"] = {
            "method": "synthetic_vae",
            "columns": ["town"],
            "num_rows": 25,
            "num_rows_after": 1225,
            "num_made": 1200,
            "cells": [{"group": {"town": EVIL}, "label": "wet", **sizes}],
            "checks": [{"name": "discriminator_auc", **measured}],
        }

    found = page(tmp_path, made)
    assert "1,200 rows made by a variational autoencoder (synthetic_vae)" in found.text
    assert "A classifier that has to tell made rows from real ones" in found.text
    assert "(up to 0.530; at most 0.65 is accepted)." in found.text
    assert f"{EVIL} wet 3 1,203 1.000" in found.text


def test_correlations_taken_are_shown_number_by_number(tmp_path: Path) -> None:
    def removed(inputs: dict[str, Any]) -> None:
        inputs["35_balance/report.json"] = {
            "method": "correlation_remover",
            "columns": ["town"],
            "alpha": 1.0,
            "correlations": [{"column": "wind", "num_missing": 0, "before": 0.31, "after": 0.0}],
        }

    found = page(tmp_path, removed)
    assert "are left as they are; whether this narrowed a gap is measured on them" in found.text
    assert "wind 0.310 0.000" in found.text


def test_decisions_that_need_a_sensitive_column_are_said_at_the_top(tmp_path: Path) -> None:
    def by_group(inputs: dict[str, Any]) -> None:
        came = {"threshold": 0.4, "accuracy": 0.8, "gaps": {"town": {"value": 0.1}}}
        inputs["45_calibrate/policy.json"] |= {
            "by_group": {"columns": ["town"], "edges": {}, "salt": "0", "groups": {}},
            "mitigation": {
                "method": "threshold_optimizer",
                "constraint": "demographic_parity",
                "columns": ["town"],
                "at_most": None,
                "num_randomised": 3,
                "num_fallback": 2,
                "too_small": {"town": {"Tiny": 2}},
                "before": came,
                "after": came,
            },
        }

    found = page(tmp_path, by_group)
    assert "The decisions use town" in found.part("Passed", "Rule by rule")
    assert "Thresholds for each group by town" in found.part("After training", "Loss by epoch")
    assert roles(COLUMNS, ("town",))["town"].endswith("compared by it, and decisions use it")
    assert "The decisions use" not in page(tmp_path).text


def test_a_refused_page_gives_the_reasons_at_its_top(tmp_path: Path) -> None:
    def refuse(inputs: dict[str, Any]) -> None:
        small = rule("insufficient", "demographic_parity_ratio", "town")
        small |= {"value": 0.8, "low": 0.75, "high": 0.85, "too_small": ["Tiny"]}
        unmeasured = rule("insufficient", "equalized_odds_ratio", "town")
        unmeasured |= dict.fromkeys(("value", "low", "high"))
        unmeasured["baseline"] |= dict.fromkeys(("value", "low", "high"))
        failed = rule("fail", "roc_auc") | {"value": 0.6, "low": 0.55, "high": 0.65}
        inputs["65_gate/verdict.json"] |= {
            "outcome": "fail",
            "rules": [rule("pass"), small, unmeasured, failed],
        }

    found = page(tmp_path, refuse)
    top = found.part("Will it rain?", "Contents")
    assert "✕ Refused The model breaks 1 of 4 rules, and there is not enough evidence on 2" in top
    assert top.index("Ranking quality (ROC AUC): at least 0.7 : failed") < top.index(
        "Ratio of selection rates by town: at least 0.7 : not enough evidence"
    )
    assert "even the better end of its interval, 0.650, lies below the limit" in top
    assert "Measured 0.800, but these groups have too few rows: Tiny." in top
    assert "It could not be measured" in top
    assert "Kept: Accuracy: at least 0.7." in top


def test_an_override_stands_in_the_first_box_and_the_rule_stays_failed(tmp_path: Path) -> None:
    record = {
        "rule": "roc_auc ≥ 0.7",
        "name": "Ada Lovelace",
        "reason": "agreed <until> June",
        "until": "2027-01-31",
        "signed": "2026-12-01",
    }

    def overrule(inputs: dict[str, Any]) -> None:
        broken = rule("fail", "roc_auc") | {"refuses": True, "overridden": record}
        inputs["65_gate/verdict.json"] |= {
            "outcome": "pass_with_override",
            "rules": [rule("pass"), broken],
        }

    top = page(tmp_path, overrule).part("Will it rain?", "Contents")
    assert "! Passed with an override The model does not keep 1 rule of 2." in top
    assert "on the word of Ada Lovelace" in top
    assert "Ranking quality (ROC AUC): at least 0.7 : failed" in top
    said = "Overridden by Ada Lovelace until 2027-01-31 (signed 2026-12-01): agreed <until> June"
    assert said in top


def test_a_rule_says_its_confidence_its_power_and_what_it_refuses_by_chance(
    tmp_path: Path,
) -> None:
    def detailed(inputs: dict[str, Any]) -> None:
        one = rule("insufficient", "demographic_parity_difference", "town") | {
            "refuses": False,
            "reason": "the first month has few rows",
            "confidence": 0.975,
            "min_group_size": 1500,
            "power": "A gap of 0.04 would be seen.",
            "false_refusal": 0.0421,
        }
        chances = {"sentence": "Another test set would refuse this model in about 4%."}
        inputs["65_gate/verdict.json"] |= {"rules": [one, rule("pass")], "false_refusals": chances}

    found = page(tmp_path, detailed)
    for words in (
        "confidence 97.5%, one-sided",
        "groups of at least 1,500 rows",
        "refuses a model that is as measured in 4.2% of test sets",
        "What these rows could show: A gap of 0.04 would be seen.",
        "Too little evidence only warns here, with this reason: the first month has few rows",
        "Another test set would refuse this model in about 4%.",
    ):
        assert words in found.text
    top = found.part("Will it rain?", "Contents")
    assert "On 1 there is too little evidence, which only warns." in top


def test_a_comparison_with_the_champion_is_shown_group_by_group(tmp_path: Path) -> None:
    group = {"group": "Ayr", "num_rows": 80, "value": -0.1, "low": -0.2, "high": -0.05}

    def compare(inputs: dict[str, Any]) -> None:
        one = rule("fail", by="town") | {
            "against": "champion",
            "margin": 0.02,
            "bound": -0.02,
            "version": "3",
            "refuses": True,
            "baseline": None,
            "groups": [{**group, "outcome": "fail"}],
            "sentence": "Version 3 was better for Ayr: fewer decisions are right now.",
        }
        inputs["65_gate/verdict.json"] |= {"outcome": "fail", "rules": [one]}
        entry = {"group": "Ayr", "num_rows": 80, "gains": {"accuracy": group}}
        inputs["50_evaluate/report.json"]["champion"] = {
            "outcome": "compared",
            "version": "3",
            "num_rows": 100,
            "num_rows_seen": 0,
            "gains": {"accuracy": SPAN},
            "by": {"town": [entry]},
        }

    found = page(tmp_path, compare)
    top = found.part("Will it rain?", "Contents")
    assert (
        "Accuracy against the model in use, in each group by town: a loss of less than 0.02" in top
    )
    assert "Version 3 was better for Ayr: fewer decisions are right now." in top
    assert "Gains by group town Rows Accuracy Ayr 80 -0.100 (-0.200 to -0.050)" in found.text
    assert "The new model minus version 3, by group" in found.text


@pytest.mark.parametrize(
    ("outcomes", "total", "words"),
    [
        ([], "insufficient", "? Not enough evidence No rule is set"),
        (["insufficient"], "insufficient", "There is not enough evidence on 1 of 1"),
        (["fail", "fail"], "fail", "The model breaks 2 of 2 rules."),
        (["pass"], "pass", "The model keeps its one rule."),
    ],
)
def test_the_verdict_in_words(tmp_path: Path, outcomes: list[str], total: str, words: str) -> None:
    verdict = {"outcome": total, "rules": [rule(one) for one in outcomes]}
    found = page(tmp_path, lambda inputs: inputs["65_gate/verdict.json"].update(verdict))
    assert words in found.part("Will it rain?", "Contents")


def test_values_from_data_are_escaped_and_nothing_is_loaded(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert EVIL not in found.html
    assert EVIL in found.text
    assert "script" not in {tag for tag, _ in found.tags}
    for tag, attributes in found.tags:
        for key in ("src", "href", "xlink:href", "action", "srcset"):
            assert attributes.get(key, "#")[:1] == "#" or attributes[key] == "data:,", (tag, key)
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", found.html)
    assert "default-src 'none'" in found.html


def test_values_of_sensitive_columns_of_single_rows_are_withheld(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "Secretville" not in found.html
    assert "(withheld)" in found.text
    assert "wind 33 −1.50 town (withheld) +0.50" in found.text


def test_the_same_inputs_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    first, second = page(tmp_path / "a"), page(tmp_path / "elsewhere")
    assert first.html == second.html
    assert str(tmp_path) not in first.html
    assert not re.search(r"matplotlib v|\b20(2[1-9]|3\d)-\d\d-\d\d", first.html, re.IGNORECASE)


def test_language_and_structure(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert not re.search(r"\bfair(ness|ly)?\b|unbiased|debias", found.html, re.IGNORECASE)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    identifiers = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = {attributes["href"][1:] for tag, attributes in found.tags if tag == "a"}
    assert links <= set(identifiers)
    plots = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert len(plots) > 10
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert len(plots) == len([tag for tag, _ in found.tags if tag == "figcaption"])


def test_digests_are_those_of_the_files(tmp_path: Path) -> None:
    found = page(tmp_path)
    for name in reports():
        digest = hashlib.sha256((tmp_path / "data/rain" / name).read_bytes()).hexdigest()
        assert f"data/rain/{name} {digest}" in found.text


def test_a_project_without_sensitive_columns(tmp_path: Path) -> None:
    def strip(inputs: dict[str, Any]) -> None:
        noise = {"num_rows": 25, "num_suspects": 3, "by": {}}
        inputs["30_audit/report.json"] |= {"by": {}, "gaps": {}, "label_noise": noise}
        inputs["55_assess/report.json"] |= {"model": {}, "baseline": {}}
        inputs["50_evaluate/report.json"]["slices"] = []
        inputs["20_clean/ledger.json"]["rules"] = []
        inputs["60_explain/report.json"] |= {"cases": [], "ranking": []}

    columns = Columns(target="rain", positive="yes", numeric=("wind",), categorical=("town",))
    found = page(tmp_path, strip, columns, Settings(title="The hill"))
    assert "Model and data card · The hill" in found.text
    for words in (
        "so there are no groups to look at",
        "3 labels of 25 are suspects",
        "so decisions were not compared between groups",
        "No part of the test rows is large enough",
        "No cleaning rule is set",
        "No column is named as sensitive, so no groups were compared.",
    ):
        assert words in found.text


def test_images_are_described_by_their_counts(tmp_path: Path) -> None:
    def with_images(inputs: dict[str, Any]) -> None:
        profile = inputs["10_ingest/profile.json"]
        described = images.columns(pictures.rows([pictures.png(1), b"text", None]).select("image"))
        profile["columns"] = [*profile["columns"], *described]
        inputs["20_clean/ledger.json"]["rules"][0]["rule"] = "drop_near_duplicates"
        inputs["25_split/report.json"]["by"] = "content"

    columns = Columns(target="rain", positive="yes", image="image", sensitive=("town",))
    found = page(tmp_path, with_images, columns)
    size = len(pictures.png(1))
    for words in (
        f"PNG (1); channels L (1); pixels 28 × 28 (1); 4 to {size:,} bytes each; "
        "1 cannot be decoded",
        "how its picture looks (near-duplicates stay together)",
        "rows whose image looks like that of a row before are dropped",
    ):
        assert words in found.text


def unnamed(inputs: dict[str, Any]) -> None:
    """Reports of a project without a sensitive column, its gate's rule among them."""
    for who in ("model", "baseline"):
        inputs["55_assess/report.json"][who] = {}
    found = decide_named(inputs["55_assess/report.json"])
    inputs["65_gate/verdict.json"]["rules"].append(found)
    inputs["65_gate/verdict.json"]["outcome"] = "insufficient"


def test_that_no_sensitive_column_is_named_is_too_little_evidence(tmp_path: Path) -> None:
    found = page(tmp_path, unnamed, COLUMNS.model_copy(update={"sensitive": ()}))
    reasons = found.part("Not enough evidence", "Kept:")
    assert "Sensitive columns are named, or the reason why not" in reasons
    assert "no sensitive column was named, so nothing is known about groups" in reasons
    assert "`columns.no_sensitive`" in reasons


def test_the_reason_for_no_sensitive_column_is_on_the_card(tmp_path: Path) -> None:
    def without(inputs: dict[str, Any]) -> None:
        for who in ("model", "baseline"):
            inputs["55_assess/report.json"][who] = {}

    none = {"sensitive": (), "no_sensitive": "Rows are days, not people."}
    found = page(tmp_path, without, COLUMNS.model_copy(update=none))
    assert (
        "No groups are compared: no column is named as sensitive, with this reason: Rows are days"
        in found.text
    )
    assert "The reason given: Rows are days, not people." in found.text


def test_gaps_are_told_in_people_with_what_the_rows_could_show(tmp_path: Path) -> None:
    def measure(inputs: dict[str, Any]) -> None:
        gap = {
            **inputs["55_assess/report.json"]["model"]["town"]["gaps"][
                "demographic_parity_difference"
            ],
            "of": "selection_rate",
            "detectable": 0.0421,
            "highest": "Ayr",
            "lowest": EVIL,
            "unknown": [EVIL],
            "harm": {
                "group": EVIL,
                "reference": "Ayr",
                "num_people": 7.2,
                "out_of": 144,
                "per_10000": 250.0,
            },
        }
        town = inputs["55_assess/report.json"]["model"]["town"]
        town["gaps"] = {"demographic_parity_difference": gap}

    text = page(tmp_path, measure).text
    assert "about 7 more of its 144 people would be selected; 250 in every 10,000" in text
    assert "0.042" in text
    assert "has no row that it could be taken of, so the gap may be of any size" in text


def test_groups_of_several_classes_and_of_numbers(tmp_path: Path) -> None:
    def several(inputs: dict[str, Any]) -> None:
        assess = inputs["55_assess/report.json"]
        assess["task"] = "multiclass"
        for who in ("model", "baseline"):
            groups = [
                {"group": name, "num_rows": 20, "too_small": False, "accuracy": RATE}
                | {"classes": {"red": {"selection_rate": RATE, "precision": RATE}}}
                for name in ("Ayr", "Bute")
            ]
            assess[who] = {"town": {"groups": groups, "too_small": [], "gaps": {}}}

    text = page(tmp_path, several).text
    assert "the class with the largest gap counts" in text
    assert "“red” against the rest" in text

    def numbers(inputs: dict[str, Any]) -> None:
        assess = inputs["55_assess/report.json"]
        span = {"value": 12.5, "low": 11.0, "high": 14.0}
        for who in ("model", "baseline"):
            groups = [
                {"group": name, "num_rows": 20, "too_small": False, "mean_prediction": span}
                for name in ("Ayr", "Bute")
            ]
            assess[who] = {"town": {"groups": groups, "too_small": [], "gaps": {}}}

    text = page(tmp_path, numbers).text
    assert "12.500 (11.000 to 14.000)" in text


def test_which_classes_are_taken_for_which(tmp_path: Path) -> None:
    def confuse(inputs: dict[str, Any]) -> None:
        found = {"classes": ["coat", EVIL], "counts": [[6, 2], [1, 16]]}
        inputs["50_evaluate/report.json"]["confusion"] = found

    shown = page(tmp_path, confuse)
    assert f"coat taken for {EVIL}, 2 rows (25.0% of those that are coat)" in shown.text
    assert "What is right lies on the diagonal." in shown.text
    assert "taken for which" not in page(tmp_path).text


def test_pictures_and_tokens_are_shown_as_what_they_are(tmp_path: Path) -> None:
    def picture(inputs: dict[str, Any]) -> None:
        case = inputs["60_explain/report.json"]["cases"][0]
        case |= {"pictures": [{"name": "occlusion", "png": "aGFsbG8+"}], "notes": ["They agree."]}
        ranking = [{"region": "top left", "mean_absolute": 0.5, "mean": 0.1, "share": 1.0}]
        inputs["60_explain/report.json"] |= {"kind": "picture", "ranking": ranking}

    shown = page(tmp_path, picture)
    (image,) = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert image["src"] == "data:image/png;base64,aGFsbG8+"
    assert image["alt"] == "occlusion, row 7"
    for words in (
        "How much each region moved",
        "top left",
        "What is red speaks for",
        "They agree.",
    ):
        assert words in shown.text

    def tokens(inputs: dict[str, Any]) -> None:
        case = inputs["60_explain/report.json"]["cases"][0]
        case["tokens"] = [
            {"token": EVIL, "attribution": -2.0},
            {"token": "dull", "attribution": 1.0},
        ]
        ranking = [{"token": EVIL, "mean_absolute": 0.5, "mean": 0.1}]
        inputs["60_explain/report.json"] |= {"kind": "tokens", "ranking": ranking}

    shown = page(tmp_path, tokens)
    assert f"{EVIL} dull" in shown.text
    strengths = [one["style"] for tag, one in shown.tags if tag == "span" and "title" in one]
    assert strengths == ["--w:50.0%", "--w:25.0%"]
    assert "A token on red speaks for" in shown.text


def test_swapped_words_stand_where_the_contents_say(tmp_path: Path) -> None:
    entry = {
        "in_templates": True,
        "num_touched": 8,
        "num_rows": 8,
        "num_scored": 8,
        "num_unmoved": 8,
        "gap": {"value": -0.0, "low": -0.0, "high": 0.0},
        "changes": [
            {"group": "a", "output": "probability", "mean": 0.6}
            | {"value": -1e-9, "low": -1e-9, "high": 1e-9}
        ],
        "largest": {"output": "probability", "value": 0.0, "from": "a", "to": "a", "row": None}
        | {"template": "I am a."},
        "source": "a list",
    }
    found = page(
        tmp_path,
        lambda inputs: inputs["55_assess/report.json"].update(
            counterfactuals={"num_scored": 8, "min_texts": 50, "by": {"religions": entry}}
        ),
    )
    parts = [one["id"] for tag, one in found.tags if tag == "section"]
    assert [one["href"][1:] for tag, one in found.tags if tag == "a"][-len(parts) :] == parts
    said = found.part("The same texts, once for each group", "Where the words come from")
    assert "No answer moved" in said
    assert "-0.000" not in said
    assert "Furthest apart" not in said


def test_too_few_groups_for_a_gap(tmp_path: Path) -> None:
    def shrink(inputs: dict[str, Any]) -> None:
        inputs["55_assess/report.json"]["model"]["town"]["gaps"] = {}

    assert "Fewer than two groups are large enough" in page(tmp_path, shrink).text


@pytest.mark.parametrize(
    ("champion", "words"),
    [
        (
            {
                "outcome": "compared",
                "version": "3",
                "num_rows": 20,
                "num_rows_seen": 5,
                "gains": {"accuracy": {"value": 0.01, "low": -0.02, "high": 0.04}},
            },
            "Compared with version 3 on 20 test rows that it was not trained on (5 others",
        ),
        ({"outcome": "unreadable", "note": "/home/me/x is damaged"}, "its files could not be read"),
        ({"outcome": "no_rows", "version": "3", "num_rows": 0}, "trained on every one of these"),
    ],
)
def test_the_champion(tmp_path: Path, champion: dict[str, Any], words: str) -> None:
    found = page(
        tmp_path, lambda inputs: inputs["50_evaluate/report.json"].update(champion=champion)
    )
    assert words in found.text
    assert "/home/me" not in found.html


def test_a_warning_of_the_contract_is_named(tmp_path: Path) -> None:
    told = page(tmp_path).text
    assert "0 of 1 expectation met on 100 rows." in told
    assert (
        "Warned: wind lies from 0 to 200, in at least 99% of rows; found: "
        "7 exceptions (7% of rows)." in told
    )


@pytest.mark.parametrize("name", sorted(reports()))
def test_an_absent_file_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactMissing, match=re.escape(Path(name).name)):
        page(tmp_path, lambda inputs: inputs.pop(name))
    assert not (tmp_path / "data/rain/70_report").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("65_gate/verdict.json", "{", "whole JSON file"),
        ("65_gate/verdict.json", {"outcome": "pass"}, "it has no `rules`"),
        ("40_train/curves.jsonl", "{\n", "whole JSON lines file"),
        ("50_evaluate/roc.csv", "x\n1\n", "whole CSV file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: Any, words: str) -> None:
    with pytest.raises(ArtifactMissing, match=words):
        page(tmp_path, lambda inputs: inputs.update({name: content}))


def test_reports_of_two_builds_are_refused(tmp_path: Path) -> None:
    def mix(inputs: dict[str, Any]) -> None:
        inputs["50_evaluate/report.json"]["num_rows"] = 26

    with pytest.raises(ArtifactMissing, match="split's 25 test rows, found one of 26"):
        page(tmp_path, mix)
