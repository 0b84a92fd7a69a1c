"""What a new delivery would break of a project's contract, and the edits that would let it pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.contract.contract import contract_text, load_contract
from pipeline.core.errors import ProjectError
from pipeline.core.files import write_text
from pipeline.onboarding.contract.project_edits import edited as edited_project
from pipeline.onboarding.contract.project_edits import shortened

if TYPE_CHECKING:
    from pipeline.validate.cause_words import Cause
    from pipeline.validate.contract_causes import Comparison

OF_COLUMNS = ("renamed_column", "missing_column", "new_column")


@dataclass(frozen=True)
class Difference:
    """A delivery beside a project.

    Attributes:
        root: The repository.
        project: The project's name.
        contract: Its contract.
        found: What would break.
        num_rows: Of the delivery.
    """

    root: Path
    project: str
    contract: dict[str, Any]
    found: "Comparison"
    num_rows: int

    @property
    def folder(self) -> Path:
        return Path("data") / self.project

    def after(self, cause: "Cause") -> dict[Path, str]:
        """The project's files, relative to the root, as they would be with this cause accepted."""
        from pipeline.onboarding.contract.edits import edited

        made: dict[Path, str] = {}
        contract = edited(self.contract, cause, self.found)
        if contract is not None:
            made[self.folder / "contract.json"] = contract_text(contract)
        if cause.kind in OF_COLUMNS:
            source = self.folder / "project.yaml"
            text = edited_project(self.root / source, cause.kind, cause.columns)
            if text != (self.root / source).read_text(encoding="utf-8"):
                made[source] = text
        return made


def difference(root: Path, project: str, file: str) -> Difference:
    """Read `file` as `ingest` would, clean it and check both parts of the contract on it.

    Raises:
        ProjectError: the file cannot be read, or the project is not sound.
    """
    from pipeline.core.cleaning.rules import Cleaning
    from pipeline.core.settings.project import load_project
    from pipeline.ingest.stage import Settings
    from pipeline.onboarding.reading.reading import read
    from pipeline.validate.contract_causes import compare

    known = load_project(
        root, project, "ingest", Settings, ("columns", "clean"), {"clean": Cleaning}
    )
    cleaning = known.shared["clean"]
    assert isinstance(cleaning, Cleaning)  # noqa: S101 -- narrows the type, checks no input
    home = root / "data" / project
    contract = load_contract(home / "contract.json", f"data/{project}/contract.json")
    source = file if "://" in file else str(Path(file).absolute())
    table = read(source, known.settings, home, known.columns.images)
    found = compare(
        table,
        contract,
        known.columns,
        cleaning.rules,
        known.modality,
        project,
    )
    return Difference(root, project, contract, found, table.height)


def lines(given: Difference, file: str) -> Iterator[str]:
    """What would break, one finding a line, each followed by the edit that would let it pass."""
    from pipeline.onboarding.contract.edits import BY_HAND

    causes = given.found.causes
    if not causes:
        yield f"{file}: {given.num_rows:,} rows: nothing of the contract would break"
        return
    things = f"{len(causes)} thing{'s' if len(causes) > 1 else ''}"
    yield f"{file}: {given.num_rows:,} rows: {things} would break the contract"
    for number, cause in enumerate(causes, start=1):
        yield f"{number}. {cause.severity}: {cause.sentence}"
        files = given.after(cause)
        for name, text in files.items():
            before = (given.root / name).read_text(encoding="utf-8")
            yield f"   {name}"
            yield from (f"     {line}" for line in shortened(before, text))
        if not files:
            yield f"   by hand: {BY_HAND.get(cause.kind, 'ask the sender what changed')}"
    yield ""
    yield (
        "nothing was changed; `--write --accept N` writes the edit of finding N, which a person "
        "answers for"
    )


def accept(given: Difference, number: int) -> list[str]:
    """Write the edit of one finding; return the files, relative to the root.

    Raises:
        ProjectError: there is no finding of this number, or no edit helps.
    """
    causes = given.found.causes
    if not 1 <= number <= len(causes):
        raise ProjectError(
            f"--accept: expected the number of a finding, of which there are {len(causes)}, "
            f"got {number}",
            hint="without --write the findings are listed with their numbers",
        )
    files = given.after(causes[number - 1])
    if not files:
        raise ProjectError(
            f"--accept {number}: expected a finding that an edit of the contract can accept, got: "
            f"{causes[number - 1].sentence}",
            hint="without --write it says what can be done by hand",
        )
    for name, text in files.items():
        write_text(given.root / name, text)
    return [str(name) for name in files]
