"""Four engines at all times over one due set, each killed by SIGKILL after a random moment and replaced at once, until
300 are dead: nothing is sent twice, nothing is lost (failures.md rows 1, 2, 4, 7, 8 and 26)."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from pytest_django import DjangoDbBlocker

from campaigns.deciding import SEND_LEASE
from campaigns.models import CampaignLog, Enrollment
from messaging.models import Message
from tests.building import broken
from tests.campaigns.due_set import Aftermath, a_due_set, aftermath, in_flight, steps_of
from tests.campaigns.recovery import counting_wired, recover, wait_for_the_dead
from tests.many import committed_rows
from tests.peers.counting import end_calls, sends
from tests.peers.engine_process import has_transaction
from tests.peers.forking import Forks, a_forking_process

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
ENGINES, KILLS, BATCH, LEADS, SEED = 4, 300, 6, 260, 20
# The next one dies after less than so many more sends (a slow machine must not kill its engines before they have begun)
# and less than so many seconds.
SENDS, MOMENT = 8, 0.02
PATIENCE = 60


class Death(NamedTuple):
    """How an engine ended, what it was at, and how many messages all of them had sent by then."""

    code: int
    was_in_transaction: bool
    sent: int


class Grave(NamedTuple):
    """All deaths, and what was due and what was in flight after the last."""

    deaths: list[Death]
    due: int
    in_flight: set[str]
    batches: int


@pytest.fixture(scope="module")
def sent(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    with django_db_blocker.unblock(), committed_rows(), counting_wired():
        yield tmp_path_factory.mktemp("killed") / "sent"


@pytest.fixture(scope="module")
def grave(sent: Path, database_environment: dict[str, str]) -> Grave:
    """What 300 dead engines leave, before anybody recovers it."""
    broker = a_due_set(sent, LEADS)
    with a_forking_process(database_environment, ENGINE_BATCH=str(BATCH), SENDER_THREADS="3") as forks:
        forks.do("tests.peers.engine_process.warm", broker=broker.pk, now=datetime.now(UTC).isoformat())
        deaths = kill_at_random(forks, sent)
    wait_for_the_dead()
    due = CampaignLog.objects.waiting().filter(due_at__lte=datetime.now(UTC))
    # Each batch has a moment of its own.
    batches = CampaignLog.objects.in_flight().exclude(channel="call").values("dispatched_at").distinct()
    return Grave(deaths, due.count(), in_flight(), batches.count())


@pytest.fixture(scope="module")
def after(sent: Path, grave: Grave) -> Aftermath:
    """What a last engine, which nobody kills, makes of it when the leases are over."""
    recover(sent, datetime.now(UTC) + 2 * SEND_LEASE)
    return aftermath(sent)


def kill_at_random(forks: Forks, file: Path) -> list[Death]:
    chance = random.Random(SEED)
    living = [forks.start("tests.peers.engine_process.run_for_ever") for _ in range(ENGINES)]
    deaths: list[Death] = []
    while living:
        wait_for_sends(file, count(file) + chance.randrange(SENDS))
        time.sleep(chance.random() * MOMENT)
        pid = living.pop(chance.randrange(len(living)))
        was_in_transaction = has_transaction(pid)
        deaths.append(Death(forks.kill(pid), was_in_transaction, count(file)))
        if len(deaths) + len(living) < KILLS:
            living.append(forks.start("tests.peers.engine_process.run_for_ever"))
        if len(deaths) % ENGINES == 0:
            end_calls(file, datetime.now(UTC))
    return deaths


def wait_for_sends(file: Path, wanted: int) -> None:
    until = time.monotonic() + PATIENCE
    while count(file) < wanted:
        assert time.monotonic() < until, "the engines do not send any more"
        time.sleep(0.005)


def count(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_engines_die_by_the_hundred(grave: Grave) -> None:
    assert Counter(death.code for death in grave.deaths) == {-signal.SIGKILL: KILLS}


def test_kills_hit_engines_at_work(grave: Grave) -> None:
    """Within transactions, with rows in flight, and between sends; and there was work for the last of them."""
    assert sum(death.was_in_transaction for death in grave.deaths) > 50
    assert grave.batches > 60
    assert len({death.sent for death in grave.deaths}) > 150
    assert grave.due > 200


def test_provider_hears_each_key_once(sent: Path, after: Aftermath) -> None:
    """failures.md rows 1 and 4."""
    assert {key: times for key, times in Counter(send.key for send in sends(sent)).items() if times > 1} == {}


def test_provider_hears_only_what_was_written(sent: Path, after: Aftermath) -> None:
    """failures.md row 4."""
    assert {send.key for send in sends(sent)} - set(Message.objects.values_list("dedupe_key", flat=True)) == set()


def test_no_step_reaches_anybody_twice(after: Aftermath) -> None:
    """failures.md rows 1 and 4."""
    assert after.reached_twice() == []


def test_no_step_is_lost(after: Aftermath) -> None:
    """failures.md rows 7 and 8: nobody is skipped, nobody starts from the beginning, finished means finished."""
    assert len(after.said) == steps_of(LEADS)
    assert {status for status, _reason in after.said.values()} == {"sent", "failed"}
    assert set(Enrollment.objects.values_list("status", flat=True)) == {"completed"}


def test_log_says_what_the_provider_said_or_that_nobody_knows(after: Aftermath) -> None:
    """failures.md rows 2 and 31."""
    assert (after.contradicted(), after.made_up()) == ({}, [])


def test_nobody_knows_only_of_what_was_in_flight_when_its_engine_was_killed(grave: Grave, after: Aftermath) -> None:
    """failures.md rows 2 and 26: a lease ran out, the ambiguous ones are visible, and no others are called so."""
    assert after.lost_by_us() - grave.in_flight == set()
    leases = Message.objects.filter(status="unknown", error_code="lease_over")
    assert leases.count() >= len(after.lost_by_us()) > 100


def test_ledger_is_clean_after_300_kills(after: Aftermath) -> None:
    assert broken() == {}
