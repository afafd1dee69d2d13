"""Lean twins of tables: the same columns and rows, but of all keys and indexes only the primary and unique ones and
the queue's, and no foreign keys or checks. They stand in a schema of their own, so the same SQL runs on both.
"""

from collections.abc import Iterator
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
    """Twins of these tables with the rows that they hold now."""
    user = connection.settings_dict["USER"]
    statements = ["DROP SCHEMA IF EXISTS lean CASCADE", "CREATE SCHEMA lean", f"GRANT USAGE ON SCHEMA lean TO {user}"]
    for table in tables:
        statements += _twin(table)
    rights = [f"GRANT {RIGHTS} ON ALL TABLES IN SCHEMA lean TO {user}"]
    as_owner_execute(*statements, *rights, *(f"VACUUM (ANALYZE) lean.{table}" for table in tables))


def _twin(table: str) -> list[str]:
    """Its ids go on counting where the original's do: both sequences are one."""
    columns = _one(COLUMNS, table)
    return [
        f"CREATE TABLE lean.{table} (LIKE public.{table} INCLUDING DEFAULTS INCLUDING GENERATED)",
        f"ALTER TABLE lean.{table} ALTER id SET DEFAULT nextval('public.{table}_id_seq')",
        f"INSERT INTO lean.{table} ({columns}) SELECT {columns} FROM public.{table}",
        *(index.replace(" ON public.", " ON lean.") for index in _all(INDEXES, table)),
    ]


def _all(statement: str, table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [table])
        return [row[0] for row in cursor.fetchall()]


def _one(statement: str, table: str) -> str:
    return _all(statement, table)[0]


@contextmanager
def on_lean_tables() -> Iterator[None]:
    """Within it, unqualified names mean the twins."""
    execute("SET search_path = lean, public")
    try:
        yield
    finally:
        execute("RESET search_path")
