"""Rows by the hundred thousand, copied from one row in the database itself."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from brokers.models import Broker
from campaigns.actions import fingerprint
from campaigns.models import CampaignStep, CampaignVersion
from leads.models import Lead, Task
from messaging.models import Message

# More than the ids of one brokerage span.
STRIDE = 10_000


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
    forget_plans()
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


def forget_plans() -> None:
    """A check of a foreign key is planned once a session. One that was planned when the table was known to be empty
    goes through all of it for each row."""
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


@transaction.atomic
def copies_of_brokerage(broker: Broker, first: int, last: int) -> None:
    """Copies of a brokerage with all that belongs to it; every id in the copy n is greater by n times STRIDE."""
    tenants = [model for model in apps.get_models() if _is_tenants(model)]
    for model in tenants:
        _copy_rows(model, broker, first, last)
        forget_plans()
    _approve_copies(broker, first, last)
    with as_owner() as owned:
        for model in tenants:
            _go_on_after(owned, model, last - first + 1)


def _is_tenants(model: type[models.Model]) -> bool:
    names = {field.name for field in model._meta.concrete_fields}
    return not model._meta.proxy and (model is Broker or "broker" in names)


def _go_on_after(owned: psycopg.Connection, model: type[models.Model], copies: int) -> None:
    """New rows get greater ids than the copies, as they are newer."""
    if isinstance(model._meta.pk, models.AutoField):
        sequence = f"pg_get_serial_sequence('{model._meta.db_table}', '{model._meta.pk.column}')"
        owned.execute(f"SELECT setval({sequence}, nextval({sequence}) + {copies * STRIDE})")


def _copy_rows(model: type[models.Model], broker: Broker, first: int, last: int) -> None:
    table, owner = model._meta.db_table, "id" if model is Broker else "broker_id"
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_in_copy(model, field) for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} o, generate_series(%s, %s) n "
            f"WHERE o.{owner} = %s",
            [first, last, broker.pk],
        )


def _in_copy(model: type[models.Model], field: models.Field) -> str:
    value, further = f'o."{field.column}"', f"n::bigint * {STRIDE}"
    if field.primary_key or isinstance(field, models.ForeignKey):
        return f"{value} + {further}"
    if model is Message and field.name == "dedupe_key":
        entry = f"split_part({value}, ':', 2)"
        return f"replace({value}, ':' || {entry} || ':', ':' || {entry}::bigint + {further} || ':')"
    if model is Task and field.name == "origin":
        moved = f"'log:' || substr({value}, 5)::bigint + {further}"
        return f"CASE WHEN starts_with({value}, 'log:') THEN {moved} ELSE {value} END"
    return f"{value} || '-' || n" if field.unique else value


def _approve_copies(broker: Broker, first: int, last: int) -> None:
    """Their templates have ids of their own, which are part of what was approved."""
    brokers = range(broker.pk + first * STRIDE, broker.pk + last * STRIDE + 1, STRIDE)
    steps = defaultdict(list)
    for step in CampaignStep.objects.filter(broker__in=brokers).order_by("step_number"):
        steps[step.campaign_id, step.version].append(step)
    versions = list(CampaignVersion.objects.filter(broker__in=brokers))
    for version in versions:
        version.fingerprint = fingerprint(version.settings, steps[version.campaign_id, version.number])
    CampaignVersion.objects.bulk_update(versions, ["fingerprint"], batch_size=200)


def analyze(*tables: str) -> None:
    """Statistics of these tables, or of every one; autovacuum has none of tables with fewer than fifty rows."""
    with as_owner() as owned:
        owned.execute(f"ANALYZE {', '.join(tables)}")


@contextmanager
def as_owner() -> Iterator[psycopg.Connection]:
    """A connection of the role that owns the tables, which may do what the product's may not."""
    where = connection.settings_dict
    owner = {"user": settings.DATABASE_OWNER["USER"], "password": settings.DATABASE_OWNER["PASSWORD"]}
    place = {"dbname": where["NAME"], "host": where["HOST"], "port": where["PORT"] or None}
    with psycopg.connect(**owner, **place, autocommit=True) as owned:
        yield owned
