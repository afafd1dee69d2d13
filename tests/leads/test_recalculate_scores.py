"""All scores anew, set-based: what it changes, what it costs, and that nothing said meanwhile is lost."""

import json
from datetime import timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from leads import tasks
from leads.actions import create_lead, edit_lead, recalculate_scores
from leads.actions.recalculating import BATCH, Recalculation
from leads.models import Appointment, Lead, ScoreChange, StageTransition
from tests.building import DAY, NOW, a_broker, a_lead, a_user, book, now_of, some_leads
from tests.many import copies_of_lead

nightly = import_module("leads.migrations.0005_nightly_scores")

pytestmark = pytest.mark.django_db
LATER = NOW + 60 * DAY
STANDING = ("lead_score", "score_components", "status", "qualification", "pipeline_stage", "next_appointment_at")


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def recalculated(now: Any = LATER, **how: Any) -> Recalculation:
    return recalculate_scores(clock=lambda: now, **how)


def counts(report: Recalculation) -> tuple[int, int, int, int, int]:
    return report.leads, report.scores, report.statuses, report.qualifications, report.moved


def test_silence_costs_points_at_night(broker: Broker) -> None:
    lead = a_lead(broker)
    assert counts(recalculated(LATER - timedelta(seconds=1))) == (1, 0, 0, 0, 0)
    assert counts(recalculated()) == (1, 1, 0, 0, 0)
    change = ScoreChange.objects.latest("id")
    assert (change.lead, change.from_score, change.to_score, change.at, change.cause) == (
        lead,
        15,
        10,
        LATER,
        "nightly",
    )
    assert (now_of(lead).score_components["silent"], now_of(lead).updated_at) == (-5, LATER)


def test_doing_it_again_changes_nothing(broker: Broker) -> None:
    some_leads(broker, 3)
    recalculated()
    rows = list(Lead.objects.order_by("id").values())
    assert counts(recalculated()) == (3, 0, 0, 0, 0)
    assert (list(Lead.objects.order_by("id").values()), ScoreChange.objects.count()) == (rows, 6)


def a_lead_of_each_kind(broker: Broker) -> None:
    """As rows that no verb has settled: whatever stands on them."""
    agent = a_user(broker)
    odd: list[dict[str, Any]] = [
        {},
        {"metadata": {"budget": 0, "timeline": "ya"}},
        {"metadata": {"budget": "3.000 UF", "timeline": False}, "name": "Ana Soto", "location": "Macul"},
        {"metadata": {"budget": [], "timeline": {}}, "budget_amount": 5, "name": "Eva Ríos"},
        {"unreachable": {"email": "invalid_address", "call": "busy"}},
        {"unreachable": {"email": "mailbox_full"}, "opted_out_at": NOW},
        {"income_amount": 1_200_000, "dicom_status": "clean", "pipeline_stage": "calificacion_financiera"},
        {"income_amount": 700_000, "dicom_status": "has_debt", "debt_amount": 1, "pipeline_stage": "agendado"},
        {"income_amount": 1, "dicom_status": "clean", "pipeline_stage": "calificacion_financiera"},
        {"call_score": 35, "inbound_count": 5, "quick_reply_count": 2, "long_call_count": 1, "booking_count": 1},
        {"name": "Ana Soto", "treatment_type": "hold"},
    ]
    for place, columns in enumerate(odd):
        lead = a_lead(broker, assigned_to=agent)
        if place % 3 == 0:
            book(lead, NOW, starts_at=NOW + (place + 1) * DAY)
        Lead.objects.filter(pk=lead.pk).update(**columns)
    Appointment.objects.filter(starts_at__lt=NOW + 5 * DAY).update(status="completed")


def test_batch_says_what_one_by_one_says(broker: Broker) -> None:
    """Leads of every kind, recalculated together here and one by one, through Python's own reading, there."""
    a_lead_of_each_kind(broker)
    from_rows = list(Lead.objects.order_by("id").values_list("id", flat=True))
    expected = {}
    for lead in Lead.objects.order_by("id"):
        fresh = edit_lead(lead=lead, now=NOW, by=None, notes=f"touched {lead.pk}")
        expected[lead.pk] = [getattr(fresh, name) for name in STANDING[:5]]
    Lead.objects.update(lead_score=0, score_components={}, status="cold", qualification="")
    ScoreChange.objects.all().delete()
    recalculated(NOW)
    found = {lead.pk: [getattr(lead, name) for name in STANDING[:5]] for lead in Lead.objects.all()}
    assert (found, len(from_rows)) == (expected, 11)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_batches_of_any_size_come_to_the_same(broker: Broker, size: int) -> None:
    """failures.md row 15."""
    a_lead_of_each_kind(broker)
    report = recalculated(NOW, batch_size=size)
    again = recalculated(NOW)
    assert (report.leads, again.scores, again.moved) == (11, 0, 0)


def test_auto_advance_of_the_night_writes_its_rows(broker: Broker) -> None:
    lead = a_lead(broker, assigned_to=a_user(broker))
    Lead.objects.update(name="Ana Soto", location="Macul", budget_amount=1, income_amount=700_000, dicom_status="clean")
    assert dict(recalculated(NOW).moves) == {("entrada", "seguimiento"): 1}
    rows = StageTransition.objects.filter(lead=lead, cause="auto").order_by("id")
    assert list(rows.values_list("from_stage", "to_stage", "at", "by")) == [
        ("entrada", "perfilamiento", NOW, None),
        ("perfilamiento", "calificacion_financiera", NOW, None),
        ("calificacion_financiera", "seguimiento", NOW, None),
    ]
    fresh = now_of(lead)
    assert (fresh.pipeline_stage, fresh.stage_entered_at, fresh.qualification) == ("seguimiento", NOW, "POTENCIAL")


def test_passed_appointment_is_no_next_one(broker: Broker) -> None:
    lead = a_lead(broker, assigned_to=a_user(broker))
    for days in (1, 5):
        book(lead, NOW, starts_at=NOW + days * DAY)
    recalculated(NOW + 2 * DAY)
    assert now_of(lead).next_appointment_at == NOW + 5 * DAY
    recalculated(NOW + 6 * DAY)
    assert (now_of(lead).next_appointment_at, now_of(lead).next_action_at) == (None, None)


def test_deleted_leads_and_other_brokerages_are_left_alone(broker: Broker) -> None:
    """failures.md row 33."""
    a_lead(broker)
    gone, theirs = a_lead(broker), a_lead(a_broker("boreal"))
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    assert counts(recalculated(broker=broker)) == (1, 1, 0, 0, 0)
    assert [now_of(lead).lead_score for lead in (gone, theirs)] == [15, 15]


def test_dry_run_says_the_same_and_writes_nothing(broker: Broker) -> None:
    a_lead_of_each_kind(broker)
    rows = list(Lead.objects.order_by("id").values())
    told = recalculated(is_dry_run=True)
    assert list(Lead.objects.order_by("id").values()) == rows
    assert (counts(told), told.moves) == (counts(done := recalculated()), done.moves)


def statements_for(count: int, broker: Broker) -> int:
    copies_of_lead(a_lead(broker, name="Ana Soto", cause="migration"), count - 1)
    with CaptureQueriesContext(connection) as queries:
        assert recalculated(broker=broker).moved == count
    return len(queries)


def test_a_batch_costs_the_same_statements_for_one_lead_and_for_many() -> None:
    assert statements_for(1, a_broker()) == statements_for(300, a_broker("boreal"))
    assert statements_for(BATCH, a_broker("cobre")) <= 15


def test_rules_that_change_meanwhile_count_from_the_next_batch_on(broker: Broker) -> None:
    some_leads(broker, 2)

    def stricter(done: int) -> None:
        Broker.objects.update(score_thresholds={"cold_max": 5})

    recalculated(NOW, batch_size=1, progress=stricter)
    assert list(Lead.objects.order_by("id").values_list("status", flat=True)) == ["cold", "warm"]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("recalculate_scores", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_command_says_what_it_did(broker: Broker) -> None:
    lead = a_lead(broker, name="Ana Soto", cause="migration")
    told = run("--broker", "aurora", "--dry-run")
    assert told == (
        "1 leads: 1 scores, 0 statuses and 0 qualifications would change; nothing was written; "
        "1 leads move on by themselves.\n  entrada → perfilamiento: 1\n"
    )
    assert now_of(lead).pipeline_stage == "entrada"
    assert json.loads(run("--json"))["moves"] == [{"from": "entrada", "to": "perfilamiento", "leads": 1}]
    assert json.loads(run("--json"))["scores"] == 0


def test_command_refuses_an_unknown_brokerage(broker: Broker) -> None:
    with pytest.raises(CommandError, match="broker='nobody' does not exist"):
        run("--broker", "nobody")


def test_beat_calls_it_every_night(broker: Broker) -> None:
    lead = a_lead(broker)
    assert (tasks.recalculate_scores.name, {"minute": "30", "hour": "5"}) == (nightly.TASK, nightly.AT)
    tasks.recalculate_scores()
    assert "silent" in now_of(lead).score_components


def test_qualification_is_told_at_night_too(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, income_amount=2_000_000, dicom_status="clean")
    Lead.objects.update(qualification="")
    assert counts(recalculated(NOW)) == (1, 0, 0, 1, 0)
    assert (now_of(lead).qualification, ScoreChange.objects.count()) == ("CALIFICADO", 1)
