"""The test database, and a wall around the network.

Databases are made and migrated by the role that owns them; the tests then run as the product's role, so a
missing right shows here. Only TRUNCATE is added, with which Django empties the tables between tests.
"""

import fcntl
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker

from brokers.management.commands.migrate import grant

pytest_plugins = ["tests.personas"]
PRODUCT = {key: settings.DATABASES["default"][key] for key in ("USER", "PASSWORD")}
LAWLESS = Path(__file__).with_name("lawless.yaml")
TABLE_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"


def pytest_configure() -> None:
    """Two runs at once have databases of their own; xdist's workers inherit the number of their run.

    Only the tests of the law are under it: the others would fail at night.
    """
    settings.JURISDICTIONS_FILE = LAWLESS
    os.environ["JURISDICTIONS_FILE"] = str(LAWLESS)
    if "TEST_RUN" not in os.environ:
        os.environ["TEST_RUN"] = str(free_run())


def free_run() -> int:
    settings.VAR_DIR.mkdir(exist_ok=True)
    for number in itertools.count(1):
        descriptor = os.open(settings.VAR_DIR / f"test-run-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number  # held until this process ends
    raise AssertionError


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    test = connection.settings_dict["TEST"]
    test["NAME"] = f"{test['NAME'] or 'test_embudo'}_{os.environ['TEST_RUN']}"
    connection.settings_dict.update(settings.DATABASE_OWNER)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    # Without a test marked `django_db` pytest-django makes no database, and this would be the product's own.
    assert str(connection.settings_dict["NAME"]).startswith("test_"), "mark these tests with django_db"
    with django_db_blocker.unblock():
        if settings.DATABASE_OWNER["USER"] != PRODUCT["USER"]:
            grant(connection, PRODUCT["USER"], TABLE_RIGHTS)
        hurry()
        reconnect_as(PRODUCT)
    yield
    with django_db_blocker.unblock():
        reconnect_as(settings.DATABASE_OWNER)


def hurry() -> None:
    """Nothing in a test database has to outlive a crash of the machine, so no commit waits for the disk."""
    statement = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
    with connection.cursor() as cursor:
        cursor.execute(statement.format(sql.Identifier(connection.settings_dict["NAME"])))


def reconnect_as(role: dict[str, str]) -> None:
    connection.close()
    connection.settings_dict.update(role)


@pytest.fixture
def command_environment(db: None, database_environment: dict[str, str]) -> dict[str, str]:
    """The environment in which a process of its own, `manage.py` say, works on the test database.

    It sees committed rows only, so mark the test `django_db(transaction=True)`.
    """
    return database_environment


@pytest.fixture(scope="session")
def database_environment(django_db_setup: None) -> dict[str, str]:
    """The same for what a whole file of tests shares."""
    keys = {"SECRET_KEY": settings.SECRET_KEY, "CREDENTIALS_KEYS": ",".join(settings.CREDENTIALS_KEYS)}
    addresses = {"DATABASE_URL": address(PRODUCT), "DATABASE_OWNER_URL": address(settings.DATABASE_OWNER)}
    return {**os.environ, **keys, **addresses}


def address(role: dict[str, str]) -> str:
    where = connection.settings_dict
    host = where["HOST"] or where["OPTIONS"].get("host", "")
    user, password, host = (quote(text, safe="") for text in (role["USER"], role["PASSWORD"], host))
    port = f":{where['PORT']}" if where["PORT"] else ""
    return f"postgres://{user}:{password}@{port}/{where['NAME']}?host={host}"


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A test that reaches for the network fails at once and says where it wanted to go."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, near_only(getattr(socket.socket, name)))
        yield


def near_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not is_near(address[0]):
            self.close()
            raise AssertionError(f"a test reached for the network: {address}")
        return connect(self, address)

    return guarded


def is_near(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
