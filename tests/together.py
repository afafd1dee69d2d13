"""Several things at once, each in a thread with a database connection of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any

from django.db import connection

from brokers.refusal import Refused

PATIENCE = 60
Work = Callable[[], Any]


def together(*works: Work, patience: float = PATIENCE) -> list[Any]:
    """What each returned, or the reason for which it was refused. Raises what else one of them raised."""
    barrier = Barrier(len(works))

    def start() -> None:
        barrier.wait(PATIENCE)

    begun = [_begin(work, start) for work in works]
    return [_end(*one, patience) for one in begun]


@contextmanager
def meanwhile() -> Iterator[Callable[[Work], list[Any]]]:
    """Gives a verb that begins a work and comes back as soon as that waits for a lock, or has ended. It returns a list
    that holds, after the block, what the work said, as `together` has it."""
    begun: list[tuple[Thread, list[Any]]] = []

    def begin(work: Work) -> list[Any]:
        before = _waiting()
        thread, said = _begin(work)
        begun.append((thread, said))
        until = time.monotonic() + PATIENCE
        while thread.is_alive() and _waiting() <= before:
            assert time.monotonic() < until, "it neither waits nor ends"
            time.sleep(0.01)
        return said

    yield begin
    for one in begun:
        _end(*one)


def _begin(work: Work, start: Callable[[], None] = lambda: None) -> tuple[Thread, list[Any]]:
    said: list[Any] = []

    def do() -> None:
        try:
            start()
            said.append(work())
        except Refused as refused:
            said.append(refused.reason)
        except BaseException as error:
            said.append(error)
        finally:
            connection.close()

    thread = Thread(target=do, daemon=True)
    thread.start()
    return thread, said


def _end(thread: Thread, said: list[Any], patience: float = PATIENCE) -> Any:
    thread.join(patience)
    assert not thread.is_alive(), "they wait for each other"
    [answer] = said
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _waiting() -> int:
    """How many sessions of this database wait for a lock; pg_stat_activity would not change within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT w.pid) FROM pg_locks w JOIN pg_locks o ON o.pid = w.pid JOIN pg_database d"
            " ON d.oid = o.database AND d.datname = current_database() WHERE NOT w.granted"
        )
        return int(cursor.fetchone()[0])
