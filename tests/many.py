"""Rows by the hundred thousand, copied from one row in the database itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import connection, models

from leads.models import Lead


@contextmanager
def committed_rows() -> Iterator[None]:
    """Rows written within it are seen by other connections, and gone afterwards. On a test database only."""
    name = connection.settings_dict["NAME"]
    assert name.startswith("test_"), f"{name} is no test database; is the test marked django_db?"
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE brokers_broker CASCADE")


def copies(row: models.Model, count: int, **expressions: str) -> None:
    """Insert `count` copies of a row; `expressions` are SQL by column name, `i` counts from 1."""
    table, key = row._meta.db_table, row._meta.pk.column
    columns = [field.column for field in row._meta.local_concrete_fields if not field.generated and field.column != key]
    values = [expressions.get(column, f"o.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {table} o, generate_series(1, {count}) i WHERE o.{key} = %s",
            [row.pk],
        )


def copies_of_lead(lead: Lead, count: int, **expressions: str) -> None:
    """Leads with addresses of their own, with their birth and their first score."""
    own = {
        "phone": "'+5699' || lpad(i::text, 7, '0')",
        "email": "'many' || i || '@example.com'",
        "telegram_chat_id": "(9000000 + i)::text",
    }
    copies(lead, count, **own | expressions)
    for table, columns in (
        ("leads_stagetransition", "from_stage, to_stage, at, by_id, cause, reason"),
        ("leads_scorechange", "from_score, to_score, at, cause"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (broker_id, lead_id, {columns}) SELECT o.broker_id, d.id, {columns} "
                f"FROM {table} o JOIN leads_lead d ON d.broker_id = o.broker_id AND d.id <> o.lead_id "
                f"WHERE o.lead_id = %s AND d.id > %s",
                [lead.pk, lead.pk],
            )


def analyze() -> None:
    """Statistics of every table, as autovacuum would keep them; only their owner may."""
    where = connection.settings_dict
    owner = {"user": settings.DATABASE_OWNER["USER"], "password": settings.DATABASE_OWNER["PASSWORD"]}
    place = {"dbname": where["NAME"], "host": where["HOST"], "port": where["PORT"] or None}
    with psycopg.connect(**owner, **place, autocommit=True) as owned:
        owned.execute("ANALYZE")
