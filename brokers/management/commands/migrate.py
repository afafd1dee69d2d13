"""Django's `migrate` as the role that owns the tables; the role that runs the product gets their rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        role = connection.settings_dict["USER"]
        with as_owner(connection):
            super().handle(*args, **options)
            if role != settings.DATABASE_OWNER["USER"]:
                grant(connection, role, "SELECT, INSERT, UPDATE, DELETE")


@contextmanager
def as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Within it, `connection` is the owner's. Close to open: a role cannot change in a session."""
    before = {name: connection.settings_dict[name] for name in settings.DATABASE_OWNER}
    connection.close()
    connection.settings_dict.update(settings.DATABASE_OWNER)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def grant(connection: BaseDatabaseWrapper, role: str, rights: str) -> None:
    """Let `role` use every table there is and every later one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        names = {
            "schema": sql.Identifier(cursor.fetchone()[0]),
            "role": sql.Identifier(role),
            "rights": sql.SQL(rights),
        }
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights} ON TABLES TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(**names))
