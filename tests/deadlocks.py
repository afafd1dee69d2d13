"""Whether PostgreSQL had to end a statement because two transactions waited for each other.

The engine tries again when it was the one that was ended, so that only the server's own count tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def no_deadlock() -> Iterator[None]:
    """None in the test database while the block runs; its threads call `report_what_happened` at their end."""
    before = deadlocks()
    yield
    assert deadlocks() == before


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def report_what_happened() -> None:
    """This connection tells the server its numbers now, not when it finds the time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
