"""The errors that a user meets: what was expected, what was found, and what to do about it."""

from collections.abc import Iterable

MAX_FINDINGS = 10


class PipelineError(Exception):
    """Something that is not a bug of ours stopped a stage.

    Args:
        message: What was expected and what was found, naming the file and the key or column.
        hint: The command to run or the key to change.
        findings: Single findings; at most ten are shown, the rest is counted.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "", findings: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.findings = tuple(findings)

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {finding}" for finding in self.findings[:MAX_FINDINGS])]
        if len(self.findings) > MAX_FINDINGS:
            lines.append(f"  … and {len(self.findings) - MAX_FINDINGS} more")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ProjectError(PipelineError):
    """The configuration or the input is not what it must be."""


class ContractBreach(PipelineError):
    """The data break a critical expectation of the contract."""


class ArtifactMissing(PipelineError):
    """A file that a stage reads is not there or cannot be read."""


class MachineError(PipelineError):
    """The machine lacks what a run needs: room, memory, a right, a program, a port."""


class GateRefused(PipelineError):
    """A gate refused: the evidence is against the model, or there is not enough of it."""

    exit_code = 3
