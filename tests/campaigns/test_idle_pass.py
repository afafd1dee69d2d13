"""Passes over 100,000 leads and a long history (failures.md row 16): with nothing to do they take few statements, with
little to do they look at little, and none looks at every row of anything."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from brokers.models import Broker
from campaigns import engine, sql
from campaigns.models import CampaignLog, Enrollment
from leads import sweep
from leads.models import Lead
from messaging import sql as messaging_sql
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import DAY, HOUR, NOW, a_broker, a_campaign, a_lead, a_meeting, enroll, message_step
from tests.many import analyze, committed_rows, copies, copies_of_lead

# Also what makes pytest-django prepare a test database for this file.
pytestmark = pytest.mark.django_db
LEADS = 100_000
WAITING, DUE, PAST = 5_000, 60, 20_000
HISTORY = ("leads_stagetransition", "leads_scorechange", "campaigns_campaignlog", "campaigns_enrollment")
TRIGGERS: list[dict[str, Any]] = [
    {},
    {"triggered_by": "lead_score", "trigger_condition": {"score_min": 60, "tags_any": ["vip"]}},
    {"triggered_by": "stage_change", "trigger_condition": {"stage": "agendado"}},
    {"triggered_by": "inactivity", "trigger_condition": {"inactivity_days": 30}},
]


class Statements(list[tuple[str, str]]):
    """Each statement with its plan, explained right before it runs."""

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH", "UPDATE", "INSERT")):
            rows = execute(f"EXPLAIN {sql}", params, many, context).fetchall()
            self.append((sql, "\n".join(row[0] for row in rows)))
        return execute(sql, params, many, context)


@pytest.fixture(scope="module")
def passes(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[list[Statements]]:
    """Two idle passes, with 4 campaigns and with 40, over the same many leads."""
    with django_db_blocker.unblock(), committed_rows():
        broker = fill()
        yield [idle_pass(broker, 1), idle_pass(broker, 9)]


@pytest.fixture(scope="module")
def busy(passes: list[Statements], django_db_blocker: DjangoDbBlocker) -> Statements:
    """A pass over the same leads that finds some of their steps due."""
    found, clock = Statements(), VirtualClock(NOW + 4 * HOUR)
    with django_db_blocker.unblock():
        due = CampaignLog.objects.waiting().order_by("id").values("pk")[:DUE]
        CampaignLog.objects.filter(pk__in=due).update(due_at=clock.now())
        with connection.execute_wrapper(found):
            done = engine.run(clock=clock)
    assert (done.taken, done.steps) == (DUE, {"sent": DUE})
    return found


def fill() -> Broker:
    """Leads that were active between ten and twenty days ago; some of them have been through a campaign, and some wait
    for their next step."""
    broker = a_broker()
    lead = a_lead(broker, now=NOW - 20 * DAY)
    silence = f"o.last_activity_at + interval '10 days' * i / {LEADS}"
    copies_of_lead(lead, LEADS, last_activity_at=silence, pipeline_stage="(ARRAY['entrada', 'perdido'])[1 + mod(i, 2)]")
    go_through(broker, lead)
    wait_for_next_step(broker)
    meeting = a_meeting(lead, NOW - 19 * DAY, status="completed", booked_at=NOW - 20 * DAY, created_at=NOW - 20 * DAY)
    copies(meeting, PAST, lead_id=f"{lead.pk} + i", token="'token ' || i")
    return broker


def go_through(broker: Broker, lead: Lead) -> None:
    """What a campaign of twenty days ago left behind."""
    enroll(a_campaign(broker, now=NOW - 20 * DAY), lead, now=NOW - 20 * DAY)
    engine.run(clock=VirtualClock(NOW - 20 * DAY))
    message, entry, log = Message.objects.get(), Enrollment.objects.get(), CampaignLog.objects.get()
    assert log.status == "sent"
    copies(message, PAST, lead_id=f"{lead.pk} + i", dedupe_key=f"'step:' || {entry.pk} + i || ':1:1'")
    copies(entry, PAST, lead_id=f"{lead.pk} + i")
    moved = {"lead_id": f"{lead.pk} + i", "enrollment_id": "o.enrollment_id + i", "message_id": "o.message_id + i"}
    copies(log, PAST, **moved)


def wait_for_next_step(broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker, delay_hours=200))
    lead = a_lead(broker, now=NOW - 20 * DAY)
    enroll(campaign, lead)
    entry = Enrollment.objects.get(campaign=campaign)
    copies(entry, WAITING, lead_id=f"{lead.pk} - i")
    copies(entry.logs.get(), WAITING, lead_id=f"{lead.pk} - i", enrollment_id="o.enrollment_id + i")


def idle_pass(broker: Broker, campaigns: int) -> Statements:
    for _ in range(campaigns):
        for trigger in TRIGGERS:
            a_campaign(broker, **trigger)
    clock = VirtualClock(NOW + HOUR)
    engine.run(clock=clock)
    clock.advance(HOUR)
    analyze("leads_lead", "messaging_message", "leads_appointment", *HISTORY)
    found = Statements()
    with connection.execute_wrapper(found):
        done = engine.run(clock=clock)
    assert (done.enrolled, done.exited, done.taken) == ({}, 0, 0)
    return found


def test_idle_pass_scans_no_leads(passes: list[Statements]) -> None:
    """failures.md row 16."""
    scans = [plan for found in passes for _sql, plan in found if "Seq Scan on leads_lead" in plan]
    assert scans == []


@pytest.mark.parametrize("table", HISTORY)
def test_idle_pass_scans_no_history(passes: list[Statements], table: str) -> None:
    scans = [plan for found in passes for _sql, plan in found if f"Seq Scan on {table}" in plan]
    assert scans == []


def test_idle_pass_asks_once_a_kind_of_trigger(passes: list[Statements]) -> None:
    for found in passes:
        probes = [sql for sql, _plan in found if "AND c.triggered_by = " in sql]
        assert [sql.split("triggered_by = '")[1].split("'")[0] for sql in probes] == [
            "lead_score",
            "stage_change",
            "inactivity",
        ]


# What each statement of an idle pass asks, in their order. On the machine's own clock one more follows the third: since
# when the oldest open transaction runs.
ASKED = {
    sql.OLDEST_SWEEP: "since when endings are looked for",
    sql.TOUCHED: "leads that something happened to",
    sql.ENSURE_SWEEPS: "brokerages without a watermark",
    **{
        sql.PROBE.replace("{kind}", kind).replace("{happened}", happened): f"campaigns that a {kind} concerns"
        for kind, happened in sql.HAPPENED.items()
    },
    sql.ADVANCE_SWEEPS: "watermarks that move on",
    sweep.DUE: "routing: offers, clocks, mails",
    sql.ENDED_CALLS: "calls that have ended",
    sql.EXPIRED: "leases that ran out",
    sql.RESENT_CALLS: "calls placed again that have ended",
    sql.UNSETTLED: "unknown outcomes that were told",
    messaging_sql.DUE_OUTSIDE: "messages outside campaigns: unfinished ones, notices of meetings",
    sql.DUE_GROUPS: "steps that are due",
}


def test_idle_pass_asks_the_same_with_many_campaigns(passes: list[Statements]) -> None:
    """Each question once, in one statement for everything that there is."""
    assert [[ASKED.get(sql, sql) for sql, _plan in found] for found in passes] == [list(ASKED.values())] * 2
    assert len(ASKED) == 14


def test_idle_pass_finds_its_queue_by_the_partial_index(passes: list[Statements]) -> None:
    due = [plan for found in passes for sql, plan in found if "CROSS JOIN LATERAL (\n    SELECT count(*) AS n" in sql]
    assert ["idx_log_queue" in plan for plan in due] == [True, True]


LARGE = [
    "leads_lead",
    "leads_stagetransition",
    "leads_scorechange",
    "campaigns_campaignlog",
    "campaigns_enrollment",
    "messaging_message",
    "leads_appointment",
]


@pytest.mark.parametrize("table", LARGE)
def test_busy_pass_looks_at_no_whole_table(busy: Statements, table: str) -> None:
    """failures.md row 16: what it reads is as much as it has to do."""
    assert [sql for sql, plan in busy if f"Seq Scan on {table}" in plan] == []


# What stands in a statement that looks for rows of the log, and the index that it has to use.
LOOKS = {
    "AS g(campaign_id, channel, quota, oldest, position)": "idx_log_queue",
    "l.dispatched_at IS NOT NULL AND l.lease_until <= ": "idx_log_lease",
    "l.reason IN ('outcome_unknown', 'left_unknown', 'resending', 'not_resent')": "idx_log_unsettled",
    "m.status = 'sending' AND (m.sent_by_id IS NOT NULL OR": "idx_message_unfinished",
    "WHERE a.notice_due_at <= ": "idx_notice_due",
}


@pytest.mark.parametrize(("words", "index"), LOOKS.items(), ids=LOOKS.values())
def test_busy_pass_takes_its_rows_by_partial_indexes(busy: Statements, words: str, index: str) -> None:
    """failures.md row 16: what is due, leases that ran out, outcomes that were unknown, what people and meetings
    began to tell, and what is to be told."""
    plans = [plan for sql, plan in busy if words in sql]
    assert plans != []
    assert [plan for plan in plans if index not in plan] == []


def test_busy_pass_explains_every_statement_of_a_batch(busy: Statements) -> None:
    """The plans that are looked at are those of a whole batch, its writes included."""
    wanted = ["INSERT INTO messaging_message", "UPDATE messaging_message", "UPDATE campaigns_enrollment"]
    assert [part for part in wanted if not any(part in sql for sql, _plan in busy)] == []
