"""A pass with nothing to do, over 100,000 leads: few statements, none looks at every lead (failures.md row 16)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from brokers.models import Broker
from campaigns import engine
from campaigns.clock import VirtualClock
from campaigns.models import CampaignLog, Enrollment
from tests.building import DAY, HOUR, NOW, a_broker, a_campaign, a_lead, enroll, message_step
from tests.many import analyze, committed_rows, copies, copies_of_lead

# Also what makes pytest-django prepare a test database for this file.
pytestmark = pytest.mark.django_db
LEADS = 100_000
WAITING = 5_000
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


def fill() -> Broker:
    """Leads that were active between ten and twenty days ago; some of them wait for their next step."""
    broker = a_broker()
    lead = a_lead(broker, now=NOW - 20 * DAY)
    silence = f"o.last_activity_at + interval '10 days' * i / {LEADS}"
    copies_of_lead(lead, LEADS, last_activity_at=silence, pipeline_stage="(ARRAY['entrada', 'perdido'])[1 + mod(i, 2)]")
    wait_for_next_step(broker)
    return broker


def wait_for_next_step(broker: Broker) -> None:
    campaign = a_campaign(broker, message_step(broker, delay_hours=200))
    lead = a_lead(broker, now=NOW - 20 * DAY)
    enroll(campaign, lead)
    copies(Enrollment.objects.get(), WAITING, lead_id=f"{lead.pk} - i")
    copies(CampaignLog.objects.get(), WAITING, lead_id=f"{lead.pk} - i", enrollment_id="o.enrollment_id + i")


def idle_pass(broker: Broker, campaigns: int) -> Statements:
    for _ in range(campaigns):
        for trigger in TRIGGERS:
            a_campaign(broker, **trigger)
    clock = VirtualClock(NOW + HOUR)
    engine.run(clock=clock)
    clock.advance(HOUR)
    analyze()
    found = Statements()
    with connection.execute_wrapper(found):
        done = engine.run(clock=clock)
    assert (done.enrolled, done.exited, done.taken) == ({}, 0, 0)
    return found


def test_idle_pass_scans_no_leads(passes: list[Statements]) -> None:
    """failures.md row 16."""
    scans = [plan for found in passes for _sql, plan in found if "Seq Scan on leads_lead" in plan]
    assert scans == []


@pytest.mark.parametrize(
    "table",
    [
        "leads_stagetransition",
        "leads_scorechange",
        "campaigns_campaignlog",
        "campaigns_enrollment",
    ],
)
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


def test_idle_pass_takes_as_many_statements_with_many_campaigns(passes: list[Statements]) -> None:
    assert [len(found) for found in passes] == [11, 11]


def test_idle_pass_finds_its_queue_by_the_partial_index(passes: list[Statements]) -> None:
    due = [plan for found in passes for sql, plan in found if "CROSS JOIN LATERAL (\n    SELECT count(*) AS n" in sql]
    assert ["idx_log_queue" in plan for plan in due] == [True, True]
