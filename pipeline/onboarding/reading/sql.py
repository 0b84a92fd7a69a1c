"""The answer of a database to a query, as a table: SQLite and PostgreSQL, for reading only.

A password comes with the URL, or from PGPASSWORD or ~/.pgpass; no message shows one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.core.errors import ProjectError
from pipeline.ingest.limits import MAX_RECORD_BYTES, check_num_columns, size
from pipeline.ingest.plain_types import plain

BATCH_ROWS, FETCHED_ROWS = 50_000, 500
VALUE_BYTES = 8
MAX_BYTES = 2 * 2**30
"""Of an answer, which is held in memory as a whole."""
CONNECT_TIMEOUT_S = 10
FIRST_WORDS = ("select", "with", "values", "table")
EXAMPLES = "sqlite:///people.db, postgresql://USER@HOST:5432/DATABASE"
# Quoted text, names and comments, in which a semicolon or a keyword means nothing.
QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/", re.DOTALL
)
# PostgreSQL's types whose values Python knows as something else than a table does.
AS_FLOAT, AS_TEXT = ("numeric",), ("uuid", "json", "jsonb", "inet", "cidr", "timetz")


def query_table(url: str, query: str, max_bytes: int = MAX_BYTES) -> pl.DataFrame:
    """The rows that `query` selects at `url`, each column in a type that the pipeline knows.

    Raises:
        ProjectError: the URL is of no known database, the query would do more than select, the
            database refuses it, or the answer has no rows, more than `max_bytes`, or a column name
            twice.
    """
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    most = min(max_bytes, MAX_BYTES)
    address = _address(url)
    shown = masked(address)
    query = _one_selection(query)
    try:
        with _connected(address) as connection:
            result = connection.exec_driver_sql(query)
            names = [str(one[0]) for one in result.cursor.description]
            check_num_columns(len(names), shown)
            _check_names(names)
            parts = [_part(rows, names) for rows in _batches(result, len(names), most, shown)]
    except SQLAlchemyError as error:
        cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        raise _refused(shown, _without_password(cause, address)) from None
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise ProjectError(
            f"{shown}: the answer is no table of numbers, text, booleans, dates and times: "
            f"{_first_line(_without_password(str(error), address))}",
            hint="cast the column in the query: `CAST(name AS TEXT)`",
        ) from None
    if not parts:
        raise ProjectError(
            f"{shown}: expected rows from the query, found none",
            hint="is its condition too narrow? count with `SELECT count(*) FROM …`",
        )
    return plain(pl.concat(parts, how="vertical_relaxed").lazy(), shown).collect()


def database_of(url: str) -> str:
    """The name of the database, the last part of its URL; empty where the URL names none."""
    return _taken_apart(url).database or ""


def without_user(url: str) -> str:
    """A URL as it was written, but for user and password: it need not be a right one."""
    return re.sub("(?s):/*.*@", "://***@", re.sub("(password=)[^&]*", r"\1***", url))


def _taken_apart(url: str) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(re.sub("^postgres(?=:|\\+)", "postgresql", url))
    except (ArgumentError, ValueError):
        address = None
    if address is None or "@" in (address.host or ""):  # an @ in a password ends it too early
        raise ProjectError(
            f"expected the URL of a database ({EXAMPLES}), got {without_user(url)!r}",
            hint="in a user's name or password write %40 for @, %3A for : and %2F for /",
        )
    return address


def _address(url: str) -> Any:
    """The URL taken apart, with the driver that is installed here."""
    address = _taken_apart(url)
    kind = address.get_backend_name()
    if kind == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ProjectError(
            f"expected the URL of SQLite or PostgreSQL ({EXAMPLES}), got one of {kind}",
            hint="export the table as csv or parquet, and give the file",
        )
    if not address.database or not Path(address.database).is_file():
        raise ProjectError(
            f"expected an SQLite database at {address.database or 'a path'}, found no file",
            hint="sqlite:///people.db is relative to this folder, sqlite:////data/people.db is not",
        )
    return address


def masked(address: Any) -> str:
    """The URL without any password."""
    hidden = {key: "***" for key in address.query if "password" in key}
    shown: str = address.update_query_dict(hidden).render_as_string(hide_password=True)
    return shown.replace("+psycopg", "", 1).replace("%2A%2A%2A", "***").replace("%2F", "/")


def _without_password(text: str, address: Any) -> str:
    secrets = [address.password, *(v for k, v in address.query.items() if "password" in k)]
    for secret in filter(None, secrets):
        text = text.replace(str(secret), "***")
    return text


def _one_selection(query: str) -> str:
    """The query without a semicolon at its end; refused if it is none or more than one."""
    query = query.strip().rstrip(";").rstrip()
    bare = QUOTED.sub(" ", query).strip().rstrip(";")
    word = next(iter(re.findall(r"\w+", bare)), "").lower()
    if word not in FIRST_WORDS or ";" in bare:
        found = "several statements" if word in FIRST_WORDS else f"one that begins with {word!r}"
        raise ProjectError(
            f"expected a query that selects rows, found {found}",
            hint="for instance `SELECT * FROM people`; data are only read",
        )
    return query


@contextmanager
def _connected(address: Any) -> Iterator[Any]:
    """A connection that can only read."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    if address.get_backend_name() == "sqlite":
        engine = create_engine("sqlite://", creator=_sqlite(address.database), poolclass=NullPool)
    else:
        engine = create_engine(
            address,
            poolclass=NullPool,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
            execution_options={"postgresql_readonly": True},
        )
        event.listen(engine, "connect", _load_plainly)
    options = {"stream_results": True, "no_parameters": True}
    try:
        with engine.connect().execution_options(**options) as connection:
            yield connection
    finally:
        engine.dispose()


def _sqlite(database: str) -> Callable[[], Any]:
    import sqlite3

    address = f"{Path(database).absolute().as_uri()}?mode=ro"

    def connect() -> Any:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_RECORD_BYTES)
        return connection

    return connect


def _load_plainly(connection: Any, record: Any) -> None:
    """Have decimals handed over as floating point, and what is no number or date as text."""
    from psycopg.types.numeric import FloatLoader
    from psycopg.types.string import TextLoader

    del record
    for name in AS_FLOAT:
        connection.adapters.register_loader(name, FloatLoader)
    for name in AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)


def _batches(result: Any, num_columns: int, most: int, shown: str) -> Iterator[list[Any]]:
    """The answer's rows, some at a time, until there are too many bytes of them."""
    batch: list[Any] = []
    num_bytes = 0
    for rows in result.partitions(FETCHED_ROWS):
        texts = (len(value) for row in rows for value in row if isinstance(value, str | bytes))
        num_bytes += sum(texts) + len(rows) * num_columns * VALUE_BYTES
        if num_bytes > most:
            raise ProjectError(
                f"{shown}: expected an answer of at most {size(most)}, found more",
                hint="select fewer columns or rows; or export the table as parquet",
            )
        batch += rows
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _part(rows: Any, names: list[str]) -> pl.DataFrame:
    """Some rows as a table; of a column of several types, as SQLite may have, the widest."""
    return pl.DataFrame(
        [tuple(row) for row in rows],
        schema=names,
        orient="row",
        strict=False,
        infer_schema_length=None,
    )


def _check_names(names: list[str]) -> None:
    twice = [(name, count) for name, count in Counter(names).items() if count > 1]
    if twice:
        name, count = twice[0]
        raise ProjectError(
            f"expected each column of the query's answer once, found {name!r} {count} times",
            hint=f'give one another name: `SELECT …, b.{name} AS "{name}_2"`',
        )


def _refused(shown: str, cause: str) -> ProjectError:
    """A database's answer that is an error, with what to do about it."""
    line = _first_line(cause)
    advice = {
        "no such table|relation .* does not exist": "is the table's name right, with its schema?",
        "no such column|column .* does not exist": 'is the column\'s name right? "Quoted Names" '
        "keep their capitals",
        "database .* does not exist": "is the database's name right? it is the URL's last part",
        "password|authentication|no pg_hba": "set PGPASSWORD, or write the password into the URL "
        "as postgresql://USER:PASSWORD@HOST/DATABASE",
        "resolve|translate host|refused|timeout|timed out|unreachable|no such file": "are host and "
        "port right, and is the server reachable from here?",
        "permission denied|read-only|readonly": "data are only read: the user needs the right to "
        "select, the query must do nothing else",
        "too big": "a value is larger than any that a table has: leave its column out",
        "syntax error": "try the query in the database's own shell first",
    }
    hint = next((text for words, text in advice.items() if re.search(words, line, re.I)), "")
    return ProjectError(f"{shown}: {line}", hint=hint)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[0]
