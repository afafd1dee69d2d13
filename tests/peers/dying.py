"""An engine that dies at a chosen point: before a statement, around a COMMIT, around its word with the provider.

The points are found by running, not written down: a new statement of the engine is a new point. Nothing of this is in
the product; the hooks are Django's own, and stand in this process only.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import connection

from brokers.models import Broker
from campaigns import engine
from messaging.base import Envelope, Outcome
from messaging.clock import VirtualClock
from tests.peers.counting import Counting, append

# The functions of the engine that give a point its name.
PHASES = frozenset(
    {
        "carry_on",
        "correct_unsettled",
        "decide_batch",
        "dispatch_all",
        "due_groups",
        "end_what_is_over",
        "fire",
        "settle",
        "settle_calls",
        "settle_expired",
        "settle_resent_calls",
        "sweep",
    }
)
_reach: Callable[[str], None]


class Watched(Counting):
    """The counting provider, with a point before it hears, and one when it has, but its adapter has not returned."""

    def send(self, envelope: Envelope) -> Outcome:
        _reach("dispatch_all: the provider is asked")
        outcome = super().send(envelope)
        _reach("dispatch_all: the provider has answered")
        return outcome


def live(*, broker: int, now: str, points: str, last: int = 0) -> None:
    """A pass of the engine over one brokerage.

    Writes every point that it reaches to the file `points`, and dies at the one numbered `last`.
    """
    global _reach
    _reach = _until(last, points)
    settings.PROVIDERS = {**settings.PROVIDERS, "counting": f"{__name__}.Watched"}
    tenant = Broker.objects.get(pk=broker)
    with _watched():
        engine.run(clock=VirtualClock(datetime.fromisoformat(now)), broker=tenant)


def _until(last: int, points: str) -> Callable[[str], None]:
    numbers = itertools.count(1)

    def reach(what: str) -> None:
        number = next(numbers)
        append(points, f"{number}. {what}\n")
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


@contextmanager
def _watched() -> Iterator[None]:
    """Every statement of this process's connection is a point, and every COMMIT has two; a savepoint keeps nothing."""
    commit, phase = connection.commit, ""

    def watched_statement(execute: Any, statement: str, *rest: Any) -> Any:
        nonlocal phase
        phase = _phase()
        if "SAVEPOINT" not in statement:
            _reach(f"{phase}: {' '.join(statement.split())[:90]}")
        return execute(statement, *rest)

    def watched_commit() -> None:
        _reach(f"{phase}: before COMMIT")
        commit()
        _reach(f"{phase}: after COMMIT")

    connection.commit = watched_commit  # type: ignore[method-assign]
    with connection.execute_wrapper(watched_statement):
        yield
    connection.commit = commit  # type: ignore[method-assign]


def _phase() -> str:
    """The innermost of the engine's phases that asks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in PHASES:
        frame = frame.f_back
    return frame.f_code.co_name if frame is not None else "engine"
