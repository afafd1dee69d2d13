"""A database of the bench's own: made and migrated as Django's test runner does it, dropped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from brokers.management.commands.migrate import as_owner, grant

NAME = "bench_embudo"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


@contextmanager
def fresh_database(own: str = NAME) -> Iterator[None]:
    """Within it, the default connection works there, as the role that runs the product."""
    product = {key: connection.settings_dict[key] for key in settings.DATABASE_OWNER}
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = own
    _reconnect_as(settings.DATABASE_OWNER)
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        grant(connection, product["USER"], RIGHTS)
        _reconnect_as(product)
        yield
    finally:
        _reconnect_as(settings.DATABASE_OWNER)
        connection.creation.destroy_test_db(name, verbosity=0)
        _reconnect_as(product)


def _reconnect_as(role: dict[str, str]) -> None:
    connection.close()
    connection.settings_dict.update(role)


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def as_owner_execute(*statements: str) -> None:
    """What the product's role may not do: TRUNCATE, VACUUM, another schema."""
    with as_owner(connection):
        execute(*statements)


def tidy(*tables: str) -> None:
    """What autovacuum does in its own time, so that it does not do it while somebody is measured."""
    as_owner_execute(*(f"VACUUM (ANALYZE) {table}" for table in tables))


def value(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
