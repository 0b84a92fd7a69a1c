"""Broken project files: what a person reads, word for word."""

from pathlib import Path

import pytest

from tests.errors.broken import PROJECT, Broken, check, edit, gone, make, said, whole

FILES: dict[str, Broken] = {
    "no file": Broken(
        gone("project"),
        "ProjectError: expected the file data/people/project.yaml, found none",
        "`hallmark init FILE --target COLUMN --name people` writes one; `git checkout "
        "data/people/project.yaml` restores a file that git knows",
    ),
    "an empty file": Broken(
        whole("project", ""),
        "ProjectError: data/people/project.yaml: expected `key: value` lines, found an empty file",
        "`hallmark init FILE --target COLUMN --name people` writes one; `git checkout "
        "data/people/project.yaml` restores a file that git knows",
    ),
    "comments alone": Broken(
        whole("project", "# later\n"),
        "ProjectError: data/people/project.yaml: expected `key: value` lines, found an empty file",
        "`hallmark init FILE --target COLUMN --name people` writes one; `git checkout "
        "data/people/project.yaml` restores a file that git knows",
    ),
    "no YAML": Broken(
        whole("project", "about: [a\ncolumns: }\n"),
        "ProjectError: data/people/project.yaml: line 2: expected YAML: did not find "
        "expected ',' or ']'",
        "look at this line and the one before; `git diff data/people/project.yaml` shows "
        "the change",
    ),
    "a tab": Broken(
        edit("project", "  max_epochs: 4", "\tmax_epochs: 4"),
        "ProjectError: data/people/project.yaml: line 27: expected blanks before a key, "
        "found a tab",
        "indent with blanks: YAML takes no tabs",
    ),
    "a key that is too far in": Broken(
        edit("project", "  positive: high", "   positive: high"),
        "ProjectError: data/people/project.yaml: line 9: expected `key: value`, found a "
        "`:` that does not belong to a key",
        "keys of one section begin in the same column; a blank follows a key's `:`, also "
        "in the line before; text with a `: ` in it needs quotes",
    ),
    "no blank after a colon": Broken(
        edit("project", "target: income", "target:income"),
        "ProjectError: data/people/project.yaml: line 9: expected `key: value`, found a "
        "`:` that does not belong to a key",
        "keys of one section begin in the same column; a blank follows a key's `:`, also "
        "in the line before; text with a `: ` in it needs quotes",
    ),
    "a list": Broken(
        whole("project", "- about\n- columns\n"),
        "ProjectError: data/people/project.yaml: expected `key: value` lines, found a list",
        "`hallmark init FILE --target COLUMN --name people` writes one; `git checkout "
        "data/people/project.yaml` restores a file that git knows",
    ),
    "another encoding": Broken(
        whole("project", PROJECT.replace("made up", "mäde up").encode("latin-1")),
        "ProjectError: data/people/project.yaml: line 4: expected text in UTF-8, found other bytes",
        "save the file as UTF-8 in your editor",
    ),
    "a key twice": Broken(
        edit("project", "max_epochs: 4", "max_epochs: 4\n  max_epochs: 5"),
        "ProjectError: data/people/project.yaml: line 28: expected the key `max_epochs` "
        "once, found it again",
        "remove one of the two",
    ),
    "a section twice": Broken(
        edit("project", "audit: {}", "audit: {}\naudit: {min_group_size: 5}"),
        "ProjectError: data/people/project.yaml: line 25: expected the key `audit` once, "
        "found it again",
        "remove one of the two",
    ),
    "an image in a project of tables": Broken(
        edit("project", "  categorical: [job]", "  categorical: [job]\n  image: photo"),
        "ProjectError: data/people/project.yaml: columns: image: expected none of a project of the "
        "modality tabular, got 'photo'",
        "say `modality: image` under `projects` in params.yaml, or give the column another role",
    ),
    "an unknown section": Broken(
        edit("project", "audit: {}", "audits: {}"),
        "ProjectError: data/people/project.yaml: unknown section `audits`; known are "
        "about, columns, ingest, validate, clean, split, audit, balance, train, calibrate, "
        "evaluate, assess, explain, gate, report, package, rehearse",
        "did you mean `audit`?",
    ),
    "a section that is not there": Broken(
        edit("project", "audit: {}\n", ""),
        "ProjectError: data/people/project.yaml: expected the section `audit`, found none",
        "add `audit: {}` to keep its defaults",
    ),
    "a section without anything": Broken(
        edit("project", "audit: {}", "audit:"),
        "ProjectError: data/people/project.yaml: audit: expected `key: value` lines, got nothing",
        "write `audit: {}` to keep its defaults; `hallmark settings audit` lists keys",
    ),
    "a list for a section": Broken(
        edit("project", "balance: {}", "balance: [reweigh]"),
        "ProjectError: data/people/project.yaml: balance: expected `key: value` lines, got a list",
        "write `balance: {}` to keep its defaults; `hallmark settings balance` lists keys",
    ),
    "a word for a section": Broken(
        edit("project", "balance: {}", "balance: reweigh"),
        "ProjectError: data/people/project.yaml: balance: expected `key: value` lines, got "
        "'reweigh'",
        "write `balance: {}` to keep its defaults; `hallmark settings balance` lists keys",
    ),
}

KEYS: dict[str, Broken] = {
    "an unknown key": Broken(
        edit("project", "max_epochs: 4", "max_epoch: 4"),
        "ProjectError: data/people/project.yaml: unknown key `train.max_epoch`",
        "did you mean `max_epochs`?",
    ),
    "an unknown key further in": Broken(
        edit("project", "max_epochs: 4", "network: {hiden: [8]}"),
        "ProjectError: data/people/project.yaml: unknown key `train.network.hiden`",
        "did you mean `hidden`?",
    ),
    "a number as text": Broken(
        edit("project", "max_epochs: 4", "max_epochs: '4'"),
        "ProjectError: data/people/project.yaml: train.max_epochs: expected a whole "
        "number, got '4'",
        "write it without quotes: `max_epochs: 4`",
    ),
    "text for a number": Broken(
        edit("project", "max_epochs: 4", "max_epochs: many"),
        "ProjectError: data/people/project.yaml: train.max_epochs: expected a whole "
        "number, got 'many'",
        "`max_epochs`: Passes over the training rows at the most.",
    ),
    "a fraction for a count": Broken(
        edit("project", "max_epochs: 4", "max_epochs: 4.5"),
        "ProjectError: data/people/project.yaml: train.max_epochs: expected a whole "
        "number, got 4.5",
        "`max_epochs`: Passes over the training rows at the most.",
    ),
    "a truth for a number": Broken(
        edit("project", "max_epochs: 4", "max_epochs: true"),
        "ProjectError: data/people/project.yaml: train.max_epochs: expected a whole "
        "number, got true",
        "`max_epochs`: Passes over the training rows at the most.",
    ),
    "a number out of its range": Broken(
        edit("project", "max_epochs: 4", "max_epochs: 0"),
        "ProjectError: data/people/project.yaml: train.max_epochs: expected at least 1, got 0",
        "`max_epochs`: Passes over the training rows at the most.",
    ),
    "a width of zero": Broken(
        edit("project", "max_epochs: 4", "network: {hidden: [0]}"),
        "ProjectError: data/people/project.yaml: train.network.hidden.0: expected at least "
        "1, got 0",
        "`hidden`: Widths of the hidden layers, in neurons.",
    ),
    "an infinite number": Broken(
        edit("project", "max_epochs: 4", "learning_rate: .inf"),
        "ProjectError: data/people/project.yaml: train.learning_rate: expected a finite "
        "number, got inf",
        "`learning_rate`: The optimizer's largest step size: how far each step moves the weights.",
    ),
    "a misspelt choice": Broken(
        edit("project", "calibrate: {}", "calibrate: {maximise: acuracy}"),
        "ProjectError: data/people/project.yaml: calibrate.maximise: expected accuracy or "
        "balanced_accuracy, got 'acuracy'",
        "did you mean `accuracy`?",
    ),
    "a word for a list": Broken(
        edit("project", "numeric: [age, hours]", "numeric: age"),
        "ProjectError: data/people/project.yaml: columns.numeric: expected a list, got 'age'",
        "write `numeric: [age]`",
    ),
    "a list for a mapping": Broken(
        edit("project", "drop:\n    note: free text", "drop: [note]"),
        "ProjectError: data/people/project.yaml: columns.drop: expected `key: value` "
        "lines, got a list",
        "write a line `note: …` for each below `drop:`",
    ),
    "a number for text": Broken(
        edit("project", "positive: high", "positive: 1"),
        "ProjectError: data/people/project.yaml: columns.positive: expected text, got 1",
        'write it in quotes: `positive: "1"`',
    ),
    "nothing for text": Broken(
        edit("project", "licence: none", "licence:"),
        "ProjectError: data/people/project.yaml: about.licence: expected text, got nothing",
        "`licence`: The data's licence.",
    ),
    "a key of people that is not there": Broken(
        edit("project", "  question: Is it high?\n", ""),
        "ProjectError: data/people/project.yaml: expected the key `about.question`, found none",
        "`question`: The question that the model answers, in one sentence.",
    ),
    "no positive value": Broken(
        edit("project", "  positive: high\n", ""),
        "ProjectError: data/people/project.yaml: columns: expected `positive`, the "
        "target's value that counts as positive, found none",
        "add `positive: VALUE`; with more than two values set `task: multiclass`, with "
        "numbers `task: regression`",
    ),
    "a target that is a feature": Broken(
        edit("project", "numeric: [age, hours]", "numeric: [age, hours, income]"),
        "ProjectError: data/people/project.yaml: columns: expected one role for column "
        "'income', got numeric and target",
        "name 'income' in one place alone; only a sensitive column may be a feature too",
    ),
    "a column in two roles": Broken(
        edit("project", "categorical: [job]", "categorical: [job, age]"),
        "ProjectError: data/people/project.yaml: columns: expected one role for column "
        "'age', got numeric and categorical",
        "name 'age' in one place alone; only a sensitive column may be a feature too",
    ),
    "sensitive and dropped": Broken(
        edit("project", "note: free text", "sex: not wanted"),
        "ProjectError: data/people/project.yaml: columns: expected one role for column "
        "'sex', got drop and sensitive",
        "name 'sex' in one place alone; only a sensitive column may be a feature too",
    ),
    "sensitive and no sensitive": Broken(
        edit("project", "sensitive: [sex]", "sensitive: [sex]\n  no_sensitive: none known"),
        "ProjectError: data/people/project.yaml: columns: expected `sensitive` or "
        "`no_sensitive`, got both",
        "`no_sensitive` is the reason why there is none: remove one of the two",
    ),
    "a median of words": Broken(
        edit("project", "sensitive: [sex]", "sensitive: [sex]\n  missing: {job: median}"),
        "ProjectError: data/people/project.yaml: columns: missing.job: expected drop_row "
        "or level, got median",
        "`median` is for numbers and dates, `level` for categories",
    ),
    "edges of no sensitive column": Broken(
        edit("project", "sensitive: [sex]", "sensitive: [sex]\n  sensitive_edges: {age: [20, 30]}"),
        "ProjectError: data/people/project.yaml: columns: sensitive_edges.age: expected a "
        "sensitive column (sex)",
        "name 'age' under `columns.sensitive` too, or remove its edges",
    ),
    "shares that are not one": Broken(
        edit("project", "split: {}", "split: {shares: {train: 0.5, test: 0.5}}"),
        "ProjectError: data/people/project.yaml: split.shares: expected the four shares to "
        "sum to 1, got 1.2",
        "name all four, train, validation, calibration, test: those that are not named "
        "have their defaults",
    ),
    "shares in percent": Broken(
        edit(
            "project",
            "split: {}",
            "split: {shares: {train: 48, validation: 10, calibration: 10, test: 32}}",
        ),
        "ProjectError: data/people/project.yaml: split.shares.train: expected less than 1, got 48",
        "48 percent is written 0.48",
        (
            "split.shares.validation: expected less than 1, got 10",
            "split.shares.calibration: expected less than 1, got 10",
            "split.shares.test: expected less than 1, got 32",
        ),
    ),
    "a split by time without a column": Broken(
        edit("project", "split: {}", "split: {by: time}"),
        "ProjectError: data/people/project.yaml: split: expected `column` with `by: time`, "
        "got none",
        "`content` needs none; the others go by the values of one: `column: NAME`",
    ),
    "settings of another method": Broken(
        edit("project", "max_epochs: 4", "mitigation: {method: adversarial, strength: 0.6}"),
        "ProjectError: data/people/project.yaml: train.mitigation: expected no `strength` "
        "with method adversarial, got 0.6: it is the penalty's weight",
        "`hallmark settings train` lists its keys",
    ),
}

CASES = {**FILES, **KEYS}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_project_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    CASES[case].breaks(make(tmp_path))
    check(CASES[case], *said(capfd, "why", "people"))
