"""What `hallmark init` is asked for, checked before anything is read."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import ProjectError

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
MAX_NAME_LENGTH = 40
TAKEN = ("store",)
"""Folders below data/ that are no projects."""
DATABASE_FILES = (".db", ".sqlite", ".sqlite3")


@dataclass(frozen=True)
class Wanted:
    """The arguments of one call.

    Attributes:
        source: A file, or a database's URL.
        target: The column to predict.
        positive: Of a binary task, the value that counts as positive.
        sensitive: Columns whose groups are compared.
        no_sensitive: Why no column is sensitive.
        drop: Columns to leave out.
        query: Of a database, the SQL whose answer is the data.
        task: What is predicted, where the data do not say it well enough.
        name: Of the project.
    """

    source: str
    target: str
    name: str
    positive: str | None = None
    sensitive: tuple[str, ...] = ()
    no_sensitive: str | None = None
    drop: tuple[str, ...] = ()
    query: str | None = None
    task: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """What tells one call from another; of a database no user and no password."""
        return {
            "target": self.target,
            "positive": self.positive,
            "sensitive": list(self.sensitive),
            "no_sensitive": self.no_sensitive,
            "drop": list(self.drop),
            "query": self.query,
            "task": self.task,
        }


def wanted(
    source: str,
    target: str,
    *,
    name: str | None,
    positive: str | None,
    sensitive: str | None,
    no_sensitive: str | None,
    drop: str | None,
    query: str | None,
    task: str | None,
) -> Wanted:
    """Check the arguments against each other.

    Raises:
        ProjectError: they do not go together, or a name cannot be one.
    """
    _check_reason(sensitive, no_sensitive)
    named, dropped = _names("--sensitive", sensitive), _names("--drop", drop)
    _check_roles(target, named, dropped)
    if positive is not None and task in ("multiclass", "regression"):
        raise ProjectError(
            f"--positive: expected none where the task is {task}, got {positive!r}",
            hint="a positive value is for two classes",
        )
    source, query = _checked_source(source, query)
    given = name or _name_of(source)
    return Wanted(
        source=source,
        target=target,
        name=check_name(given),
        positive=positive,
        sensitive=named,
        no_sensitive=no_sensitive,
        drop=dropped,
        query=query,
        task=task,
    )


def _check_reason(sensitive: str | None, no_sensitive: str | None) -> None:
    """Sensitive columns, or the reason why there is none."""
    if sensitive and no_sensitive:
        raise ProjectError(
            "expected `--sensitive` or `--no-sensitive`, got both",
            hint="name the columns, or say why there is none",
        )
    if no_sensitive is not None and not no_sensitive.strip():
        raise ProjectError(
            "--no-sensitive: expected the reason why no column is sensitive, got nothing",
            hint='for instance --no-sensitive "measurements of wines, no people"',
        )


def _check_roles(target: str, sensitive: tuple[str, ...], dropped: tuple[str, ...]) -> None:
    """One column is not used in two ways that exclude each other."""
    for one in dropped:
        if one == target or one in sensitive:
            raise ProjectError(
                "--drop: expected other columns than the target and the sensitive ones, "
                f"got {one!r}",
                hint="a column is left out, or it is used",
            )
    if target in sensitive:
        raise ProjectError(
            f"--sensitive: expected other columns than the target, got {target!r}",
            hint="groups are compared by what is predicted for them, so the target is no group",
        )


def _names(option: str, given: str | None) -> tuple[str, ...]:
    """The columns that an option names, with commas between them."""
    names = tuple(part.strip() for part in (given or "").split(",") if part.strip())
    if given is not None and not names:
        raise ProjectError(
            f"{option}: expected names of columns with commas between them, got none",
            hint=f"for instance {option} one,other",
        )
    return names


def _checked_source(source: str, query: str | None) -> tuple[str, str | None]:
    """The file, or the database's URL; a file of SQLite with a query becomes a URL."""
    is_url = "://" in source
    if query is not None and not is_url:
        if not Path(source).is_file():
            from pipeline.onboarding.reading.sql import without_user

            raise ProjectError(
                f"--query: expected a database, found no file {without_user(source)}",
                hint="give a URL as SQLAlchemy writes it: sqlite:///people.db, "
                "postgresql://user@host/name (the password from PGPASSWORD)",
            )
        return f"sqlite:///{Path(source).resolve()}", query
    if query is not None:
        return source, query
    if is_url and source.split("://")[0] in ("http", "https", "s3", "gs", "az", "abfs"):
        from pipeline.onboarding.reading.sql import without_user

        raise ProjectError(
            f"expected a file on this machine, got {without_user(source)}",
            hint="download it first: its copy is what DVC keeps",
        )
    if is_url or Path(source).suffix in DATABASE_FILES:
        raise ProjectError(
            "expected `--query` beside a database, found none",
            hint='for instance --query "SELECT * FROM people"',
        )
    file = Path(source)
    if file.is_dir():
        raise ProjectError(
            f"expected a file, {source} is a folder",
            hint="name one file: csv, parquet or Excel",
        )
    if not file.is_file():
        raise ProjectError(f"expected the file {source}, found none", hint=_beside(file))
    if file.stat().st_size == 0:
        raise ProjectError(
            f"expected data in {source}, found an empty file",
            hint="was the download cut short?",
        )
    return source, None


def _beside(file: Path) -> str:
    from pipeline.core.settings.problems import nearest

    folder = file.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted(one.name for one in folder.iterdir() if one.is_file())
    return nearest(file.name, tuple(names[:20])) or f"{folder} holds no files"


def _name_of(source: str) -> str:
    """A name made of the file's, or of the database's: `Credit Data (1).csv` → credit-data-1.

    Of a database's URL nothing else is taken: what stands before its name may be a password.
    """
    if "://" in source:
        from pipeline.onboarding.reading.sql import database_of

        source = database_of(source)
    stem = re.sub(r"[?#].*", "", source).rstrip("/").rpartition("/")[2].split(".")[0]
    words = re.findall(r"[a-z0-9]+", stem.lower())
    name = "-".join(words)[:MAX_NAME_LENGTH].rstrip("-")
    return f"data-{name}"[:MAX_NAME_LENGTH] if name[:1].isdigit() else name


def check_name(name: str) -> str:
    """Return a valid name of a project.

    Raises:
        ProjectError: it is none; the hint says the rule.
    """
    rule = (
        f"lower-case letters and digits, words joined by - or _, a letter first, at most "
        f"{MAX_NAME_LENGTH}: for instance --name credit-2024"
    )
    if not name:
        raise ProjectError("--name: expected a name, found none in the file's name", hint=rule)
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ProjectError(f"--name: expected a name of a project, got {name!r}", hint=rule)
    if name in TAKEN:
        raise ProjectError(
            f"--name: expected another name than {name!r}, which is no project's folder", hint=rule
        )
    return name
