"""What a person reads when a stage stops."""

import pytest

from pipeline.core.errors import (
    ArtifactMissing,
    ContractBreach,
    GateRefused,
    PipelineError,
    ProjectError,
)


def test_text_has_message_findings_and_hint_in_this_order() -> None:
    error = PipelineError("expected a, got b", hint="change c", findings=["one", "two"])
    assert str(error).splitlines() == [
        "expected a, got b",
        "  - one",
        "  - two",
        "  hint: change c",
    ]


def test_message_alone_is_one_line() -> None:
    assert str(PipelineError("expected a, got b")) == "expected a, got b"


@pytest.mark.parametrize(("num_findings", "last"), [(10, "  - 9"), (13, "  … and 3 more")])
def test_at_most_ten_findings_are_shown_and_all_are_kept(num_findings: int, last: str) -> None:
    error = PipelineError("m", findings=map(str, range(num_findings)))
    assert str(error).splitlines()[-1] == last
    assert str(error).count("  - ") == 10
    assert len(error.findings) == num_findings


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (PipelineError, 2),
        (ProjectError, 2),
        (ContractBreach, 2),
        (ArtifactMissing, 2),
        (GateRefused, 3),
    ],
)
def test_exit_codes(kind: type[PipelineError], code: int) -> None:
    assert kind("m").exit_code == code
