"""Broken rules in a project file, and a broken params.yaml: what a person reads, word for word."""

from pathlib import Path

import pytest

from tests.errors.broken import Broken, check, edit, gone, make, said, whole

GATE_AND_CLEAN: dict[str, Broken] = {
    "an unknown rule": Broken(
        edit("project", "rule: cast", "rule: casts"),
        "ProjectError: data/people/project.yaml: clean.rules.0.rule: expected "
        "strip_whitespace, missing_codes, replace, cast, outside_range, drop_duplicates, "
        "drop_missing, drop_undecodable, resize, convert_mode, drop_near_duplicates, "
        "normalize_text, strip_html, mask_personal_data, cut_text, drop_by_length or "
        "drop_same_words, got 'casts'",
        "did you mean `cast`?",
    ),
    "a rule of texts in a table": Broken(
        edit(
            "project",
            "rule: cast\n      columns: {age: integer, hours: integer}",
            "rule: strip_html\n      columns: [age]",
        ),
        "ProjectError: data/people/project.yaml: clean.rules: expected rules for the modality "
        "tabular, got 'strip_html' in the rule 'numbers'",
        "did you mean `strip_whitespace`?",
    ),
    "a rule on swapped words in a table": Broken(
        edit(
            "project",
            "{measure: roc_auc, at_least: 0.5}",
            "{measure: counterfactual_change, by: names, at_most: 0.1}",
        ),
        "ProjectError: data/people/project.yaml: gate.rules: rule `counterfactual_change by names "
        "≤ 0.1`: `by` is 'names', expected no such rule",
        "words are swapped in texts alone: remove the rule",
    ),
    "a rule without a kind": Broken(
        edit("project", "      rule: cast\n", ""),
        "ProjectError: data/people/project.yaml: expected the key `clean.rules.0.rule`, "
        "which says the kind of entry, found none",
        "`rules`: What to do, in this order. Each rule has a name, under which the ledger counts.",
    ),
    "a rule without a name": Broken(
        edit("project", "    - name: numbers\n      rule: cast", "    - rule: cast"),
        "ProjectError: data/people/project.yaml: expected the key "
        "`clean.rules.0.cast.name`, found none",
        "`name`: What the rule is for, in words; the ledger counts under this name.",
    ),
    "a rule with an unknown key": Broken(
        edit("project", "rule: cast", "rule: cast\n      colums: [age]"),
        "ProjectError: data/people/project.yaml: unknown key `clean.rules.0.cast.colums`",
        "did you mean `columns`?",
    ),
    "an unknown type": Broken(
        edit("project", "age: integer", "age: int"),
        "ProjectError: data/people/project.yaml: clean.rules.0.cast.columns.age: expected "
        "integer, float, boolean, text, date or datetime, got 'int'",
        "did you mean `integer`?",
    ),
    "two rules of one name": Broken(
        edit(
            "project",
            "      columns: {age: integer, hours: integer}",
            "      columns: {age: integer}\n"
            "    - {name: numbers, rule: cast, columns: {hours: integer}}",
        ),
        "ProjectError: data/people/project.yaml: clean.rules: expected a name of its own "
        "for each rule, got 'numbers' twice",
        "the ledger counts by name: call one of the two otherwise",
    ),
    "an unknown measure": Broken(
        edit("project", "measure: roc_auc", "measure: auc"),
        "ProjectError: data/people/project.yaml: gate.rules.0: unknown measure 'auc' without `by`",
        "did you mean `roc_auc`?",
    ),
    "by a column that is not sensitive": Broken(
        edit("project", "by: sex", "by: job"),
        "ProjectError: data/people/project.yaml: gate.rules: rule "
        "`demographic_parity_difference by job ≤ 0.1`: `by` is 'job', expected one of sex",
        "groups are compared by sensitive columns: name one of these, or add the column to "
        "`columns.sensitive`",
    ),
    "both limits": Broken(
        edit("project", "at_least: 0.5", "at_least: 0.5, at_most: 0.9"),
        "ProjectError: data/people/project.yaml: gate.rules.0: expected one of `at_most` "
        "and `at_least`, got both",
        "`at_least` where more is better, `at_most` where less is",
    ),
    "no limit": Broken(
        edit("project", ", at_least: 0.5", ""),
        "ProjectError: data/people/project.yaml: gate.rules.0: expected one of `at_most` "
        "and `at_least`, got none",
        "`at_least` where more is better, `at_most` where less is",
    ),
    "a limit on the wrong side": Broken(
        edit("project", "at_least: 0.5", "at_most: 0.5"),
        "ProjectError: data/people/project.yaml: gate.rules.0: roc_auc: expected the limit "
        "under `at_least`",
        "of roc_auc more is better",
    ),
    "a limit in percent": Broken(
        edit("project", "at_most: 0.1", "at_most: 10"),
        "ProjectError: data/people/project.yaml: gate.rules.1: "
        "demographic_parity_difference: expected a limit between 0 and 1, got 10",
        "10 percent is written 0.1",
    ),
    "a limit with a percent sign": Broken(
        edit("project", "at_most: 0.1", "at_most: 10%"),
        "ProjectError: data/people/project.yaml: gate.rules.1.at_most: expected a number, "
        "got '10%'",
        "write it without the sign, as a share: `at_most: 0.1`",
    ),
    "a gap without groups": Broken(
        edit("project", "by: sex, ", ""),
        "ProjectError: data/people/project.yaml: gate.rules.1: "
        "demographic_parity_difference: expected `by`, the sensitive column whose groups "
        "are compared",
        "for instance `by: COLUMN`, a name from `columns.sensitive`",
    ),
    "a measure of another task": Broken(
        edit("project", "measure: roc_auc, at_least: 0.5", "measure: r2, at_least: 0.5"),
        "ProjectError: data/people/project.yaml: gate.rules: rule `r2 ≥ 0.5`: expected a "
        "measure of the task binary, got r2",
        "known are: roc_auc, average_precision, accuracy, balanced_accuracy, log_loss, "
        "brier_score, expected_calibration_error",
    ),
    "a mapping for a list of rules": Broken(
        edit(
            "project",
            "  rules:\n    - {measure: roc_auc, at_least: 0.5}\n"
            "    - {measure: demographic_parity_difference, by: sex, at_most: 0.1}",
            "  rules: {measure: roc_auc, at_least: 0.5}",
        ),
        "ProjectError: data/people/project.yaml: gate.rules: expected a list, got `key: "
        "value` lines",
        "begin each entry with `- `",
    ),
}

PARAMS: dict[str, Broken] = {
    "no file": Broken(
        gone("params"),
        "ProjectError: expected the file params.yaml, found none",
        "`git checkout params.yaml` restores a file that git knows",
    ),
    "an empty file": Broken(
        whole("params", ""),
        "ProjectError: params.yaml: expected `key: value` lines, found an empty file",
        "`git checkout params.yaml` restores a file that git knows",
    ),
    "no projects": Broken(
        whole("params", "projects:\n"),
        "ProjectError: params.yaml: expected projects below the key `projects`, found none",
        "`hallmark init FILE --target COLUMN` adds one; by hand it is `projects:`, below "
        "it its name, below that `modality: tabular`",
    ),
    "no modality": Broken(
        whole("params", "projects: {people: tabular}\n"),
        "ProjectError: params.yaml: projects.people: expected the line `modality: NAME` "
        "below it, got 'tabular'",
        "write `modality: tabular` in the line below, further in",
    ),
    "an unknown modality": Broken(
        whole("params", "projects: {people: {modality: tabuler}}\n"),
        "ProjectError: params.yaml: expected a modality with a folder pipeline/<modality>/ "
        "that has settings.py, got 'tabuler'",
        "did you mean `tabular`?",
    ),
    "an unknown key": Broken(
        whole("params", "project: {people: {modality: tabular}}\n"),
        "ProjectError: params.yaml: unknown key `project`",
        "did you mean `projects`?",
    ),
    "a misspelt schedule": Broken(
        edit("params", "tabular", "tabular\n    shedule: never"),
        "ProjectError: params.yaml: projects.people: unknown key `shedule`",
        "did you mean `schedule`?",
    ),
    "a wrong cron line": Broken(
        edit("params", "tabular", "tabular\n    schedule: 0 3 * *"),
        "ProjectError: params.yaml: projects.people.schedule: expected a cron line of five "
        "fields, got '0 3 * *'",
        'for instance `schedule: "0 3 * * 1"`, Mondays at three (UTC), or `schedule: never`',
    ),
    "no YAML": Broken(
        whole("params", "projects: {people: [\n"),
        "ProjectError: params.yaml: line 2: expected YAML: did not find expected node content",
        "look at this line and the one before; `git diff params.yaml` shows the change",
    ),
    "another project": Broken(
        whole("params", "projects: {folks: {modality: tabular}}\n"),
        "ProjectError: expected a project that params.yaml names (folks), got 'people'",
        "known are: folks",
    ),
}

CASES = {**GATE_AND_CLEAN, **PARAMS}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_or_params_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    CASES[case].breaks(make(tmp_path))
    check(CASES[case], *said(capfd, "why", "people"))
