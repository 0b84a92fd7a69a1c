"""Broken contracts: what a person reads, word for word. Great Expectations is imported once."""

import shutil
from pathlib import Path

import pytest

from tests.errors.broken import (
    CONTRACT,
    HEADER,
    ROWS,
    Broken,
    Repository,
    check,
    edit,
    gone,
    make,
    said,
    whole,
)


def without(text: str, place: int) -> str:
    """A csv without one of its columns."""
    rows = [line.split(",") for line in text.splitlines()]
    return "".join(",".join([*row[:place], *row[place + 1 :]]) + "\n" for row in rows)


CONTRACTS: dict[str, Broken] = {
    "no file": Broken(
        gone("contract"),
        "validate@people: ProjectError: expected the data contract "
        "data/people/contract.json, found none",
        "write one with the parts `delivered` and `prepared`, each a suite of "
        "expectations; docs/bring-your-data.md names an example for tables, images and texts",
    ),
    "an empty file": Broken(
        whole("contract", ""),
        "validate@people: ProjectError: data/people/contract.json: expected JSON, found an "
        "empty file",
        "`git checkout data/people/contract.json` restores it",
    ),
    "no JSON": Broken(
        whole("contract", CONTRACT[:-3]),
        "validate@people: ProjectError: data/people/contract.json: expected JSON, line 9, "
        "column 5: expecting ',' delimiter",
        "a comma after a last entry, a missing comma, quote or bracket are the usual "
        "causes; `git diff data/people/contract.json` shows what changed",
    ),
    "a comma too many": Broken(
        edit("contract", '{"column": "job"}', '{"column": "job",}'),
        "validate@people: ProjectError: data/people/contract.json: expected JSON, line 3, "
        "column 80: expecting property name enclosed in double quotes",
        "a comma after a last entry, a missing comma, quote or bracket are the usual "
        "causes; `git diff data/people/contract.json` shows what changed",
    ),
    "a list": Broken(
        whole("contract", "[]"),
        "validate@people: ProjectError: data/people/contract.json: expected the keys "
        "delivered and prepared, found a list",
        "docs/bring-your-data.md names an example for tables, images and texts",
    ),
    "an unknown part": Broken(
        edit("contract", '"prepared": {', '"clean": {'),
        "validate@people: ProjectError: data/people/contract.json: unknown part `clean`",
        "known are: delivered, prepared",
    ),
    "a part twice": Broken(
        edit("contract", '"prepared": {', '"delivered": {'),
        "validate@people: ProjectError: data/people/contract.json: expected the key "
        "`delivered` once in its place, found it again",
        "remove or rename one of the two",
    ),
    "a part without expectations": Broken(
        whole("contract", '{"delivered": {"name": "a", "expectations": []}}'),
        "validate@people: ProjectError: data/people/contract.json: delivered: expected a "
        'suite, `{"name": …, "expectations": […]}`, with at least one expectation, found '
        "none",
        "add the part `delivered`; docs/bring-your-data.md names an example for tables, images and "
        "texts",
    ),
    "another encoding": Broken(
        whole("contract", CONTRACT.replace("one.", "é.").encode("latin-1")),
        "validate@people: ProjectError: data/people/contract.json: line 4: expected text "
        "in UTF-8, found other bytes",
        "save the file as UTF-8 in your editor",
    ),
    "a misspelt severity": Broken(
        edit(
            "contract",
            '"severity": "critical", "meta": {"notes": "Everybody',
            '"severity": "critcal", "meta": {"notes": "Everybody',
        ),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].severity: expected critical or warning for "
        "expect_column_values_to_not_be_null, got 'critcal'",
        "did you mean `critical`?",
    ),
    "no severity": Broken(
        edit(
            "contract",
            '"severity": "critical", "meta": {"notes": "Everybody',
            '"meta": {"notes": "Everybody',
        ),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].severity: expected critical or warning for "
        "expect_column_values_to_not_be_null, got nothing",
        "known are: critical, warning",
    ),
    "no reason": Broken(
        edit("contract", '"meta": {"notes": "Everybody has one."}', '"meta": {}'),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].meta.notes: expected a sentence on why "
        "expect_column_values_to_not_be_null is there, got nothing",
        'write "meta": {"notes": "…"}: the report shows it to whoever meets a breach',
    ),
    "no type": Broken(
        edit("contract", '"type": "expect_column_values_to_not_be_null", ', ""),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0]: expected the key `type`, found none",
        "name an expectation, for instance expect_column_values_to_be_in_set",
    ),
    "a misspelt key": Broken(
        edit("contract", '"kwargs": {"column": "job"}', '"kwarg": {"column": "job"}'),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0]: unknown key `kwarg`",
        "did you mean `kwargs`?",
    ),
    "an unknown expectation": Broken(
        edit("contract", "expect_column_values_to_not_be_null", "expect_column_values_not_null"),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].type: expected an expectation of Great Expectations, "
        "got 'expect_column_values_not_null'",
        "did you mean `expect_column_values_to_not_be_null`?",
    ),
    "no arguments": Broken(
        edit("contract", '"kwargs": {"column": "job"},', ""),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs: expected the arguments of "
        "expect_column_values_to_not_be_null, got nothing",
        'for instance "kwargs": {"column": "NAME"}',
    ),
    "a misspelt argument": Broken(
        edit("contract", '{"column": "job"}', '{"colunm": "job"}'),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs: expect_column_values_to_not_be_null knows no "
        "argument `colunm`",
        "did you mean `column`?",
        ("column: field required",),
    ),
    "a column that nobody has": Broken(
        edit("contract", '{"column": "job"}', '{"column": "jobs"}'),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs.column: expected a column that project.yaml names, got "
        "'jobs'",
        "did you mean `job`?",
    ),
    "columns that nobody has": Broken(
        whole("contract", CONTRACT.replace('"job"', '"jobs"').replace('"age"', '"garment"')),
        "validate@people: ProjectError: data/people/contract.json: expected columns that "
        "project.yaml names, found others in 2 places",
        "known are: age, hours, job, sex, note, income, _row, _key, _weight",
        (
            "delivered.expectations[0].kwargs.column: 'jobs', did you mean `job`?",
            "prepared.expectations[0].kwargs.column: 'garment'",
        ),
    ),
    "a set of columns of another project": Broken(
        edit(
            "contract",
            'expect_column_values_to_not_be_null", "kwargs": {"column": "job"}',
            'expect_table_columns_to_match_set", "kwargs": {"column_set": ["age", "garment"]}',
        ),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs.column_set: expected a column that project.yaml names, "
        "got 'garment'",
        "known are: age, hours, job, sex, note, income, _row, _key, _weight",
    ),
    "a share in percent": Broken(
        edit("contract", '{"column": "job"}', '{"column": "job", "mostly": 95}'),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs: expect_column_values_to_not_be_null does not "
        "take these arguments",
        "https://greatexpectations.io/expectations lists each one's arguments",
        ("mostly: ensure this value is less than or equal to 1.0",),
    ),
    "a broken pattern": Broken(
        edit(
            "contract",
            'expect_column_values_to_not_be_null", "kwargs": {"column": "job"}',
            'expect_column_values_to_match_regex", "kwargs": {"column": "job", "regex": "["}',
        ),
        "validate@people: ProjectError: data/people/contract.json: "
        "delivered.expectations[0].kwargs.regex: expected a regular expression, got '[': "
        "unterminated character set at position 0",
        "signs with a meaning of their own, such as [ ( . +, stand for themselves after "
        "two backslashes: \\\\[",
    ),
}


BREACH = (
    "validate@people: ContractBreach: the delivery: expected 12 rows to meet "
    "data/people/contract.json, found {} that would break it"
)
WHAT_TO_DO = (
    "ask the sender what changed; where the change is right, `hallmark contract people --diff "
    "FILE` proposes the edit"
)
DELIVERIES: dict[str, Broken] = {
    "a renamed column": Broken(
        edit("raw", "hours", "Hours"),
        BREACH.format("1 thing"),
        WHAT_TO_DO,
        ("critical: column 'hours' is now called 'Hours': its values look alike",),
    ),
    "a column that is gone": Broken(
        whole("raw", without(HEADER + ROWS, 1)),
        BREACH.format("1 thing"),
        WHAT_TO_DO,
        ("critical: column 'hours' is missing",),
    ),
    "a column that is new": Broken(
        whole("raw", "".join(f"9,{line}\n" for line in (HEADER + ROWS).splitlines())),
        BREACH.format("1 thing"),
        WHAT_TO_DO,
        ("critical: column '9' is new (text): nobody has given it a role",),
    ),
    "a target that is no column": Broken(
        edit("project", "target: income", "target: wage"),
        BREACH.format("2 things"),
        WHAT_TO_DO,
        (
            "critical: column 'wage' is missing",
            "critical: column 'income' is new (text): nobody has given it a role",
        ),
    ),
    "a value that is missing": Broken(
        whole("raw", HEADER + ROWS.replace("clerk", "", 1)),
        BREACH.format("1 thing"),
        WHAT_TO_DO,
        ("critical: job: missing in 1 of 12 rows (8.33%), none may be",),
    ),
}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound repository whose file is ingested."""
    from pipeline.core.run.runner import run_stage

    root = tmp_path_factory.mktemp("ingested")
    make(root)
    run_stage(root, "ingest", "people")
    return root


@pytest.mark.parametrize("case", CONTRACTS)
def test_a_broken_contract(
    ingested: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    root = shutil.copytree(ingested, tmp_path / "root")
    monkeypatch.chdir(root)
    CONTRACTS[case].breaks(Repository(root))
    check(CONTRACTS[case], *said(capfd, "validate", "people"))


@pytest.mark.parametrize("case", DELIVERIES)
def test_a_delivery_that_breaks_the_contract(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    DELIVERIES[case].breaks(make(tmp_path))
    assert said(capfd, "ingest", "people") == (0, "")
    check(DELIVERIES[case], *said(capfd, "validate", "people"))
