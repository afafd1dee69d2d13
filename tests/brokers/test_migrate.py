"""The role that runs the product works on rows; tables belong to another."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection

from brokers.management.commands.migrate import as_owner, grant

pytestmark = pytest.mark.django_db(transaction=True)
TABLE_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
ROOT = Path(__file__).resolve().parents[2]
ROLE = settings.DATABASES["default"]["USER"]


@pytest.fixture(autouse=True)
def _two_roles(db: None) -> Iterator[None]:
    if settings.DATABASE_OWNER["USER"] == ROLE:
        pytest.skip("this DATABASE_URL has one role for everything")
    yield
    with as_owner(connection):
        do("DROP TABLE IF EXISTS later")
        grant(connection, ROLE, TABLE_RIGHTS)


def do(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def ask(question: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


def rights(table: str) -> list[str]:
    question = f"SELECT privilege_type FROM information_schema.role_table_grants WHERE table_name = '{table}'"
    return sorted(str(right) for (right,) in ask(f"{question} AND grantee = '{ROLE}'"))


def test_product_cannot_change_tables() -> None:
    assert ask("SELECT current_user") == [(ROLE,)]
    with pytest.raises(ProgrammingError, match="must be owner"):
        do("ALTER TABLE leads_lead ADD COLUMN x integer")


def test_later_tables_can_be_used_too() -> None:
    with as_owner(connection):
        grant(connection, ROLE, "SELECT, INSERT, UPDATE, DELETE")
        do("CREATE TABLE later (id serial)")
    assert {"DELETE", "INSERT", "SELECT", "UPDATE"} <= set(rights("later"))
    do("INSERT INTO later DEFAULT VALUES")


def test_migrate_grants_what_is_missing(command_environment: dict[str, str]) -> None:
    with as_owner(connection):
        do(f"REVOKE ALL ON leads_lead FROM {ROLE}")
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, env=command_environment, cwd=ROOT, check=True)
    assert {"DELETE", "INSERT", "SELECT", "UPDATE"} <= set(rights("leads_lead"))


def test_owner_is_the_owner_only_for_a_while() -> None:
    with as_owner(connection):
        assert ask("SELECT current_user") == [(settings.DATABASE_OWNER["USER"],)]
    assert ask("SELECT current_user") == [(ROLE,)]
