"""Batches of any size give the same result, with a number of statements that does not grow (failures.md row 15)."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from campaigns import engine
from campaigns.models import CampaignLog
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_free_broker,
    a_lead,
    a_template,
    a_user,
    counting_account,
    enroll,
    message_step,
    run,
    some_leads,
)

# What a batch may cost, transactions apart: design, section 13.
STATEMENTS, COMMITS = 15, 2


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [1, 3, 5])
def test_limit_bounds_the_steps_of_a_pass(broker: Broker, clock: VirtualClock, limit: int) -> None:
    enroll(a_campaign(broker), *some_leads(broker, 5))
    assert run(clock, limit=limit).taken == limit
    assert CampaignLog.objects.filter(status="sent").count() == limit
    run(clock)
    assert CampaignLog.objects.filter(status="sent").count() == 5


@pytest.mark.django_db
def test_pass_goes_on_until_nothing_is_due(broker: Broker, clock: VirtualClock, settings: LazySettings) -> None:
    """failures.md rows 3 and 15: not only the first batch, and not for ever."""
    settings.ENGINE_BATCH = 2
    enroll(a_campaign(broker), *some_leads(broker, 7))
    done = run(clock)
    assert (done.taken, done.batches, done.steps["sent"], run(clock).taken) == (7, 4, 7, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_every_batch_shrinks_what_is_due(
    clock: VirtualClock, settings: LazySettings, sent_file: Path, size: int
) -> None:
    """failures.md row 3: sent, refused, postponed, skipped or broken, a row that was taken leaves the selection."""
    settings.ENGINE_BATCH = size
    broker = a_broker(cap_24h=1)
    leads = of_every_kind(broker, sent_file)
    enroll(a_campaign(broker, message_step(broker, "{{name}} {{timeline|}}")), *leads)
    enroll(a_campaign(broker, message_step(broker, conditions={"has_email": True})), *leads)
    left: list[int] = []

    def count() -> bool:
        left.append(CampaignLog.objects.waiting().filter(due_at__lte=clock.now()).count())
        return False

    done = engine.run(clock=clock, should_stop=count)
    assert all(later < sooner for sooner, later in pairwise(left[: done.batches + 1]))
    assert (left[0], left[-1]) == (22, 0)  # the enrolments of the one on hold have ended before


def of_every_kind(broker: Broker, file: Path) -> list[Lead]:
    """Twelve leads: to write to, not to write to, whom no provider knows, and whom nobody can read."""
    words = ["accept", "refuse", "temporary", "timeout", "raise", "garbage"]
    counting_account(broker, file, script={str(number): [word] for number, word in enumerate(words)})
    leads = [a_lead(broker, telegram_chat_id=str(number)) for number in range(6)]
    leads += [a_lead(broker, timezone="Asia/Tokyo"), a_lead(broker, telegram_chat_id=""), a_lead(broker, email="")]
    leads += [a_lead(broker, treatment_type=kind) for kind in ("hold", "manual_follow_up")]
    broken = a_lead(broker)
    Lead.objects.filter(pk=broken.pk).update(timezone="Mars/Phobos")
    return [*leads, broken]


@pytest.mark.django_db
def test_pass_that_is_asked_to_stop_finishes_the_batch_in_hand(
    broker: Broker, clock: VirtualClock, settings: LazySettings
) -> None:
    settings.ENGINE_BATCH = 2
    enroll(a_campaign(broker), *some_leads(broker, 7))
    answers = iter([False, True])
    done = engine.run(clock=clock, should_stop=lambda: next(answers))
    assert (done.taken, CampaignLog.objects.in_flight().count()) == (2, 0)


def full_step(broker: Broker) -> dict[str, Any]:
    """A message that asks for everything that is loaded for a batch."""
    text = "{{name}} {{property|}} {{appointment_date|}} {{unsubscribe_link|}} {{agent_name|}}"
    template = a_template(broker, text)
    return message_step(broker, message_template=template, conditions={"score_min": 1, "has_phone": True})


def cost_of_a_batch(broker: Broker, count: int, step: Callable[[Broker], dict[str, Any]]) -> tuple[list[str], int]:
    """The statements of one batch of that many leads, and how many transactions it commits."""
    campaign = a_campaign(broker, step(broker), message_step(broker, delay_hours=1))
    leads = some_leads(broker, count, treatment_type="automated_call")
    enroll(campaign, *leads)
    clock = VirtualClock(NOW)
    engine.run(clock=clock, limit=1)
    clock.advance(HOUR / 60)
    with CaptureQueriesContext(connection) as whole:
        done = engine.run(clock=clock, limit=count)
    assert done.taken == count - 1
    statements = [query["sql"].strip() for query in whole.captured_queries]
    first = next(n for n, text in enumerate(statements) if "AS channel(name)" in text)
    last = max(n for n, text in enumerate(statements) if text == "COMMIT")
    batch = statements[first : last + 1]
    return [text for text in batch if text not in ("BEGIN", "COMMIT")], batch.count("COMMIT")


@pytest.mark.django_db(transaction=True)
def test_batch_costs_the_same_statements_for_one_lead_and_for_fifty() -> None:
    broker = a_free_broker()
    (one, commits_of_one), (fifty, commits_of_fifty) = (cost_of_a_batch(broker, count, full_step) for count in (2, 51))
    assert [text[:60] for text in one] == [text[:60] for text in fifty]
    assert commits_of_one == commits_of_fifty


@pytest.mark.django_db(transaction=True)
def test_batch_of_messages_costs_at_most_fifteen_statements_and_two_commits() -> None:
    statements, commits = cost_of_a_batch(a_free_broker(), 51, message_step)
    assert (len(statements) <= STATEMENTS, commits) == (True, COMMITS)


@pytest.mark.django_db(transaction=True)
def test_batch_that_loads_everything_costs_a_constant_few_more() -> None:
    statements, commits = cost_of_a_batch(a_free_broker(), 51, full_step)
    assert (len(statements) <= STATEMENTS + 3, commits) == (True, COMMITS)


STAGE = {"action": "update_stage", "target_stage": "perfilamiento"}
MEETING = {"action": "schedule_meeting"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [STAGE, MEETING], ids=["update_stage", "schedule_meeting"])
def test_steps_that_write_more_cost_a_constant_number_each(step: dict[str, Any]) -> None:
    broker, counts = a_free_broker(), []
    agent, clock = a_user(broker), VirtualClock(NOW)
    for number in (1, 2, 12, 22):
        enroll(a_campaign(broker, step), *some_leads(broker, number, assigned_to=agent, now=NOW - DAY))
        clock.advance(HOUR / 60)
        with CaptureQueriesContext(connection) as queries:
            engine.run(clock=clock)
        clock.advance(HOUR / 60)
        engine.run(clock=clock)
        counts.append(len(queries))
    assert counts[3] - counts[2] == counts[2] - counts[1] <= 10 * 20


@pytest.mark.django_db
def test_many_campaigns_are_shared_out_in_one_batch(free_broker: Broker, clock: VirtualClock) -> None:
    """On one account without a rate, however much each has to do."""
    for count in (9, 1, 4):
        enroll(a_campaign(free_broker), *some_leads(free_broker, count))
    done = run(clock)
    assert (done.batches, done.taken, Message.objects.count()) == (1, 14, 14)
