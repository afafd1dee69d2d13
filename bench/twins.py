"""Twins of tables: their columns, and rows of theirs, in schemas of their own, so that the same SQL runs on all.

The lean ones have of all keys and indexes only the primary and unique ones and the queue's, and no foreign keys or
checks; the fresh ones have all but foreign keys, and no past.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

from bench.database import RIGHTS, as_owner_execute, execute

INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s::regclass AND (i.indisunique OR c.relname = 'idx_log_queue') ORDER BY c.relname
"""
COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'
"""


def make_lean(*tables: str) -> None:
    """Lean twins of these tables with the rows that they hold now."""
    _make("lean", [statement for table in tables for statement in _lean(table)], tables)


def make_fresh(**wanted: str) -> None:
    """Fresh twins by the name of their table, each with those of its rows that the condition holds for."""
    _make("fresh", [line for table, condition in wanted.items() for line in _fresh(table, condition)], wanted)


def _make(schema: str, statements: Iterable[str], tables: Iterable[str]) -> None:
    user = connection.settings_dict["USER"]
    as_owner_execute(
        f"DROP SCHEMA IF EXISTS {schema} CASCADE",
        f"CREATE SCHEMA {schema}",
        f"GRANT USAGE ON SCHEMA {schema} TO {user}",
        *statements,
        f"GRANT {RIGHTS} ON ALL TABLES IN SCHEMA {schema} TO {user}",
        *(f"VACUUM (ANALYZE) {schema}.{table}" for table in tables),
    )


def _lean(table: str) -> list[str]:
    return [
        f"CREATE TABLE lean.{table} (LIKE public.{table} INCLUDING DEFAULTS INCLUDING GENERATED)",
        *_filled("lean", table, "true"),
        *(index.replace(" ON public.", " ON lean.") for index in _all(INDEXES, table)),
    ]


def _fresh(table: str, condition: str) -> list[str]:
    return [
        f"CREATE TABLE fresh.{table} (LIKE public.{table} INCLUDING ALL EXCLUDING IDENTITY)",
        *_filled("fresh", table, condition),
    ]


def _filled(schema: str, table: str, condition: str) -> list[str]:
    """Its ids go on counting where the original's do: both sequences are one."""
    columns = _one(COLUMNS, table)
    return [
        f"ALTER TABLE {schema}.{table} ALTER id SET DEFAULT nextval('public.{table}_id_seq')",
        f"INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM public.{table} WHERE {condition} ORDER BY id",
    ]


def _all(statement: str, table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [table])
        return [row[0] for row in cursor.fetchall()]


def _one(statement: str, table: str) -> str:
    return _all(statement, table)[0]


@contextmanager
def on_twins(schema: str) -> Iterator[None]:
    """Within it, unqualified names mean the twins in this schema."""
    execute(f"SET search_path = {schema}, public")
    try:
        yield
    finally:
        execute("RESET search_path")
