"""How the statements are run: arrays in, rows out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg.pq import Format


def rows(statement: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with _cursor(statement) as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def run(statement: str, params: dict[str, Any]) -> int:
    """Runs a statement; the number of rows it changed."""
    with _cursor(statement) as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


def _cursor(statement: str) -> Any:
    """For a statement with binary arrays (`%(name)b`), a cursor that speaks PostgreSQL's binary form both ways.

    Written into the statement as text, which is Django's way, quoting the arrays takes a third of a batch's time.
    """
    if ")b" not in statement:
        return connection.cursor()
    connection.ensure_connection()
    cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    cursor.format = Format.BINARY
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


def columns_of(records: Sequence[NamedTuple]) -> dict[str, list[Any]]:
    """Named tuples as one array a field: the shape that unnest takes."""
    return {name: list(column) for name, column in zip(records[0]._fields, zip(*records, strict=True), strict=True)}
