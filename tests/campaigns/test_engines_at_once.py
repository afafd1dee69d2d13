"""Four engines over one due set, two of them killed on the way (failures.md rows 1, 2 and 7)."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from brokers.models import Broker
from campaigns import engine
from campaigns.clock import SystemClock
from campaigns.deciding import SEND_LEASE
from campaigns.models import CampaignLog, Enrollment
from messaging.models import Message
from tests.building import a_campaign, a_free_broker, a_lead, broken, counting_account, enroll, message_step
from tests.many import copies_of_lead
from tests.peers.counting import Send, sends

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
LEADS, STEPS, BATCH = 140, 3, 10
WAIT = 60.0
# Some addresses refuse, time out after accepting, or ask to be tried again.
SCRIPT = {
    "9000003": ["refuse"],
    "9000004": ["timeout"],
    "9000005": ["temporary:0.05", "slow:0.01"],
    "9000006": ["raise"],
    "9000007": ["garbage"],
}


class Later(SystemClock):
    """A clock of the machine that goes ahead by more than any lease."""

    def now(self) -> datetime:
        return super().now() + 2 * SEND_LEASE


@pytest.fixture
def due_set(sent_file: Path) -> Broker:
    """140 leads that have three messages due, one right after the other: 420 steps."""
    broker = a_free_broker(contact_window=ALWAYS)
    copies_of_lead(a_lead(broker), LEADS - 1)
    counting_account(broker, sent_file, script=SCRIPT, otherwise="slow:0.01")
    now = datetime.now(UTC)
    campaign = a_campaign(broker, *[message_step(broker) for _ in range(STEPS)], now=now)
    enroll(campaign, now=now)
    return broker


@contextmanager
def an_engine(environment: dict[str, str], *how: str) -> Iterator[subprocess.Popen[str]]:
    variables = environment | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENGINE_BATCH": str(BATCH),
        "LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-m", "tests.peers.engine_process", *how]
    where = {"cwd": django_settings.BASE_DIR, "env": variables}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **where)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_sends(file: Path, count: int) -> None:
    until = time.monotonic() + WAIT
    while len(sends(file)) < count and time.monotonic() < until:
        time.sleep(0.005)


def run_and_kill(environment: dict[str, str], file: Path, engines: int, kills: list[int]) -> list[int]:
    """Start engines together; kill one each time so many messages have gone out; how the others ended."""
    with ExitStack() as stack:
        how = [["forever"] if number < len(kills) else [] for number in range(engines)]
        processes = [stack.enter_context(an_engine(environment, *words)) for words in how]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for victim, count in enumerate(sorted(kills)):
            wait_for_sends(file, count)
            processes[victim].send_signal(signal.SIGKILL)
        return [process.wait(WAIT) for process in processes]


def recover() -> None:
    """What somebody finds later, when the leases of the dead are over."""
    while CampaignLog.objects.filter(status="pending").exists():
        engine.run(clock=Later())


def outcomes(step_sends: list[Send]) -> dict[str, str]:
    """The last word of the provider by step, without the attempt."""
    return {send.key.rsplit(":", 1)[0]: send.word for send in step_sends}


def statuses() -> dict[str, tuple[str, str]]:
    rows = CampaignLog.objects.values_list("enrollment", "step_number", "status", "reason")
    return {f"step:{entry}:{step}": (status, reason) for entry, step, status, reason in rows}


def assert_nothing_lost_and_nothing_twice(file: Path) -> None:
    seen = sends(file)
    assert len({send.key for send in seen}) == len(seen)
    assert set(Enrollment.objects.values_list("status", flat=True)) == {"completed"}
    said, heard = statuses(), outcomes(seen)
    assert len(said) == LEADS * STEPS
    wrong = {key: word for key, word in heard.items() if not agrees(word, said[key])}
    assert wrong == {}
    assert [key for key, (status, _reason) in said.items() if status == "sent" and key not in heard] == []
    assert broken() == {}


def agrees(word: str, said: tuple[str, str]) -> bool:
    """The log says what the provider said, or that nobody knows."""
    allowed: dict[str, tuple[str, str]] = {"slow": ("sent", ""), "refuse": ("failed", "refused")}
    return said == ("failed", "outcome_unknown") or said == allowed.get(word)


def test_engines_at_once_send_each_key_once(due_set: Broker, command_environment: Any, sent_file: Path) -> None:
    """failures.md row 1: several processes over the same due set."""
    assert run_and_kill(command_environment, sent_file, engines=4, kills=[]) == [0] * 4
    assert_nothing_lost_and_nothing_twice(sent_file)
    by_word = [send.word for send in sends(sent_file)]
    assert (len(by_word), by_word.count("temporary")) == (LEADS * STEPS + STEPS, STEPS)
    unknown = CampaignLog.objects.filter(reason="outcome_unknown")
    assert set(unknown.values_list("lead__telegram_chat_id", flat=True)) == {"9000004", "9000006", "9000007"}


@pytest.mark.parametrize("seed", [1, 2])
def test_engines_that_are_killed_lose_nothing_and_send_nothing_twice(
    due_set: Broker, command_environment: Any, sent_file: Path, seed: int
) -> None:
    """failures.md rows 1, 2, 4 and 7: two of four die by SIGKILL at random moments."""
    kills = random.Random(seed).sample(range(10, LEADS * STEPS - 100), 2)
    codes = run_and_kill(command_environment, sent_file, engines=4, kills=kills)
    assert (codes[:2], codes[2:]) == ([-signal.SIGKILL] * 2, [0, 0])
    recover()
    assert_nothing_lost_and_nothing_twice(sent_file)
    unknown = CampaignLog.objects.filter(reason="outcome_unknown").exclude(
        lead__telegram_chat_id__in=["9000004", "9000006", "9000007"]
    )
    assert unknown.count() <= 2 * BATCH


def test_engine_that_dies_between_sending_and_settling_leaves_an_unknown(
    sent_file: Path, command_environment: Any
) -> None:
    """failures.md rows 2 and 4: the provider has it, our commit never came."""
    broker = a_free_broker(contact_window=ALWAYS)
    leads = [a_lead(broker, telegram_chat_id=str(number)) for number in range(5)]
    counting_account(broker, sent_file, script={"2": ["die"]})
    enroll(a_campaign(broker, now=datetime.now(UTC)), *leads, now=datetime.now(UTC))
    with an_engine(command_environment | {"SENDER_THREADS": "1"}) as process:
        assert process.wait(WAIT) == -signal.SIGKILL
    assert CampaignLog.objects.in_flight().count() == 5
    recover()
    seen = [send.address for send in sends(sent_file)]
    assert seen == ["0", "1", "2"]
    assert set(CampaignLog.objects.values_list("status", "reason")) == {("failed", "outcome_unknown")}
    assert set(Message.objects.values_list("status", flat=True)) == {"unknown"}
    assert broken() == {}


def test_restart_goes_on_where_it_stopped(due_set: Broker, command_environment: Any, sent_file: Path) -> None:
    """failures.md rows 7 and 8: nobody is skipped, nobody starts from the beginning."""
    for count in (60, 150):
        run_and_kill(command_environment, sent_file, engines=1, kills=[count])
    recover()
    assert_nothing_lost_and_nothing_twice(sent_file)
    assert Enrollment.objects.count() == LEADS
