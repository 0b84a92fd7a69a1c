"""No text calls a model or data "fair", "unbiased" or "debiased"; planted ones are named."""

from pathlib import Path

import pytest

from tests.contract.words import problems

ALLOWED: dict[tuple[str, str], str] = {}
"""Lines that say of a model or data that it is *not* so, by file and line, each with its reason.
None is needed today: the texts name the operation and the measure."""


def test_no_text_says_it(root: Path) -> None:
    assert list(problems(root, ALLOWED)) == []
    assert all(reason.strip() for reason in ALLOWED.values())


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("README.md", "The model is fair."),
        ("CHANGELOG.md", "- Unbiased decisions for all."),
        ("docs/fairness.md", "- a mitigated model is **debiased**"),  # not among the sources
        ("docs/decisions/0002-penalty-strength.md", "With 0.8 it is de-biased."),
        ("data/adult/project.yaml", "# a fair sample"),
        ("pipeline/report/page.html.j2", "<p>This model is FAIR.</p>"),
        ("pipeline/gate/stage.py", 'SENTENCE = "The model is fair (2018)."'),
        ("pipeline/gate/stage.py", "# since 2018 this is fair"),
        ("pipeline/gate/stage.py", '"""A fair model. Agarwal et al., ICML 2018."""'),
        ("flows/graph/plan.py", '"""Chooses an unbiased model."""'),
    ],
)
def test_a_planted_sentence_is_named(copy: Path, file: str, line: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    planted = f"{line}\n\n{text}" if file == "docs/fairness.md" else f"{text}\n{line}\n"
    (copy / file).write_text(planted, encoding="utf-8")
    (found,) = problems(copy, ALLOWED)
    assert found.startswith(f"{file}:")
    assert found.endswith(line)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("docs/fairness.md", "- A. Author: Fair machines. ICML 2018."),
        (
            "pipeline/gate/stage.py",
            '"""Chooses.\n\nSource: A. Author, Fair machines. A Press.\n"""',
        ),
        ("pipeline/gate/stage.py", '"""Chooses as in A. Author, A fair\nmachine, ICML 2018."""'),
        ("README.md", "What fairness means, and which gaps are unfair, is a choice."),
    ],
)
def test_titles_of_sources_and_the_name_of_the_field_may_stand(
    copy: Path, file: str, line: str
) -> None:
    (copy / file).write_text((copy / file).read_text(encoding="utf-8") + f"\n{line}\n")
    assert list(problems(copy, ALLOWED)) == []


def test_a_denial_needs_to_be_allowed_and_to_stand_there(copy: Path) -> None:
    line = "No number here shows that a model is fair."
    allowed = {**ALLOWED, ("README.md", line): "denies it"}
    assert list(problems(copy, allowed)) == [f"README.md: allowed, but not there: {line}"]
    (copy / "README.md").write_text(f"{line}\n")
    assert list(problems(copy, allowed)) == []
    assert list(problems(copy, ALLOWED)) == [f"README.md:1: {line}"]
