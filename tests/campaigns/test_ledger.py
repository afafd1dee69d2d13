"""verify_ledger finds exactly the row that was corrupted: one mutation an invariant."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from brokers.models import Broker
from campaigns.ledger import INVARIANTS, verify
from campaigns.models import Campaign, CampaignLog, CampaignStep, CampaignVersion, Enrollment
from leads.actions import edit_lead, move_stage, record_inbound
from leads.models import Lead
from messaging.models import Message
from tests.building import DAY, NOW, a_broker, a_campaign, a_lead, at, enroll, message_step, now_of, run

Mutation = Callable[[Broker], tuple[str, int]]


def broken() -> dict[str, list[int]]:
    return {finding.invariant: [row.row_id for row in finding.rows] for finding in verify() if finding.count}


@pytest.fixture
def played(broker: Broker) -> Campaign:
    """Three leads two steps far: sent, sent, and a third that waits; one enrolment held nothing back."""
    steps = [message_step(broker, delay_hours=hours) for hours in (0, 25, 24 * 7)]
    campaign = a_campaign(broker, *steps)
    for _ in range(3):
        a_lead(broker)
    enroll(campaign)
    clock = at(NOW)
    run(clock, passes=4, every=DAY)
    return campaign


def first_log(**which: Any) -> CampaignLog:
    return CampaignLog.objects.filter(**which).order_by("id")[0]


def set_log(broker: Broker, which: dict[str, Any], **values: Any) -> int:
    log = first_log(**which)
    CampaignLog.objects.filter(pk=log.pk).update(**values)
    return log.pk


def no_pending(broker: Broker) -> tuple[str, int]:
    log = first_log(status="pending")
    log.delete()
    return "active_has_one_pending", log.enrollment_id


def waiting_after_the_end(broker: Broker) -> tuple[str, int]:
    log = first_log(status="pending")
    Enrollment.objects.filter(pk=log.enrollment_id).update(status="completed", finished_at=NOW)
    return "ended_has_none_waiting", log.pk


def held_out_with_a_log(broker: Broker) -> tuple[str, int]:
    log = first_log(status="pending")
    CampaignLog.objects.filter(pk=log.pk).update(status="skipped", reason="late", executed_at=NOW)
    Enrollment.objects.filter(pk=log.enrollment_id).update(status="held_out")
    Campaign.objects.update(enrolled_count=2)
    return "held_out_has_no_log", log.enrollment_id


def ended_without_a_moment(broker: Broker) -> tuple[str, int]:
    log = first_log(status="pending")
    CampaignLog.objects.filter(pk=log.pk).update(status="skipped", reason="late", executed_at=NOW)
    Enrollment.objects.filter(pk=log.enrollment_id).update(status="completed")
    return "ended_has_its_moment", log.enrollment_id


def final_without_a_moment(broker: Broker) -> tuple[str, int]:
    return "final_row_has_its_moment", set_log(broker, {"status": "sent"}, executed_at=None)


def failed_without_a_reason(broker: Broker) -> tuple[str, int]:
    return "unsent_row_has_a_reason", set_log(broker, {"status": "sent"}, status="failed")


def flying_without_a_lease(broker: Broker) -> tuple[str, int]:
    message = Message.objects.create(
        broker=broker,
        lead=Lead.objects.order_by("id")[0],
        channel="telegram",
        direction="out",
        dedupe_key=f"step:{first_log(status='pending').enrollment_id}:3:1",
        basis=Message.objects.filter(direction="out")[0].basis,
        created_at=NOW + 60 * DAY,
    )
    log = set_log(broker, {"status": "pending"}, dispatched_at=NOW, message=message)
    return "in_flight_has_a_lease", log


def a_gap_between_steps(broker: Broker) -> tuple[str, int]:
    log = first_log(status="sent", step_number=1)
    Message.objects.filter(pk=log.message_id).delete()
    log.delete()
    return "steps_follow_each_other", first_log(enrollment=log.enrollment_id).pk


def sent_but_not_accepted(broker: Broker) -> tuple[str, int]:
    log = first_log(status="sent")
    Message.objects.filter(pk=log.message_id).update(sent_at=None)
    return "sent_means_accepted", log.pk


def message_of_another_row(broker: Broker) -> tuple[str, int]:
    first, second = CampaignLog.objects.filter(status="sent", step_number=1).order_by("id")[:2]
    CampaignLog.objects.filter(pk=second.pk).update(message=first.message_id)
    return "message_belongs_to_its_row", second.pk


def two_accepted(broker: Broker) -> tuple[str, int]:
    message = Message.objects.get(pk=first_log(status="sent").message_id)
    key, first = message.dedupe_key, message.pk
    message.pk, message.dedupe_key = None, f"{key}0"
    message.created_at = NOW + 60 * DAY
    message.save(force_insert=True)
    return "one_accepted_message_a_step", first


def message_without_a_row(broker: Broker) -> tuple[str, int]:
    message = Message.objects.get(pk=first_log(status="sent").message_id)
    message.pk, message.dedupe_key = None, "step:99999999:1:1"
    message.created_at = NOW + 60 * DAY
    message.save(force_insert=True)
    return "step_message_has_its_row", message.pk


def no_basis(broker: Broker) -> tuple[str, int]:
    message = Message.objects.order_by("id")[0]
    Message.objects.filter(pk=message.pk).update(basis={})
    return "automatic_contact_has_its_basis", message.pk


def basis_says_no(broker: Broker) -> tuple[str, int]:
    message = Message.objects.order_by("id")[0]
    message.basis["permission"]["kind"] = "revoked"
    Message.objects.filter(pk=message.pk).update(basis=message.basis)
    return "basis_allowed_it", message.pk


def too_many(broker: Broker) -> tuple[str, int]:
    """The second message moved next to the first, where a third already is by the cap of one."""
    second = Message.objects.get(pk=first_log(step_number=2).message_id)
    second.basis["caps"]["7d"] = {"sent": 0, "cap": 1}
    Message.objects.filter(pk=second.pk).update(basis=second.basis)
    return "caps_hold", second.pk


def miscounted(broker: Broker) -> tuple[str, int]:
    Campaign.objects.update(enrolled_count=2)
    return "max_contacts_holds", Campaign.objects.get().pk


def version_unknown(broker: Broker) -> tuple[str, int]:
    log = first_log(status="pending")
    CampaignLog.objects.filter(pk=log.pk).update(status="skipped", reason="late", executed_at=NOW)
    Enrollment.objects.filter(pk=log.enrollment_id).update(status="completed", finished_at=NOW, version=7)
    return "enrollment_has_its_version", log.enrollment_id


def wrong_step(broker: Broker) -> tuple[str, int]:
    other = CampaignStep.objects.get(step_number=2)
    return "log_has_its_step", set_log(broker, {"step_number": 1}, step=other)


def stage_without_history(broker: Broker) -> tuple[str, int]:
    lead = Lead.objects.order_by("id")[0]
    Lead.objects.filter(pk=lead.pk).update(pipeline_stage="perfilamiento")
    return "stage_matches_history", lead.pk


def score_without_history(broker: Broker) -> tuple[str, int]:
    lead = Lead.objects.order_by("id")[0]
    Lead.objects.filter(pk=lead.pk).update(lead_score=99)
    return "score_matches_history", lead.pk


def two_brokers(broker: Broker) -> tuple[str, int]:
    template = CampaignStep.objects.get(step_number=1).message_template
    type(template).objects.filter(pk=template.pk).update(broker=a_broker("boreal"))
    message = Message.objects.get(pk=first_log(status="sent", step_number=2).message_id)
    Message.objects.filter(template=template.pk).update(template=message.template_id)
    return "one_broker", CampaignStep.objects.get(step_number=1).pk


def dangling(broker: Broker) -> tuple[str, int]:
    message = Message.objects.order_by("id")[0]
    Message.objects.filter(pk=message.pk).update(template=99_999_999)
    return "references_resolve", message.pk


def changed_version(broker: Broker) -> tuple[str, int]:
    CampaignStep.objects.filter(step_number=2).update(delay_hours=1)
    return "versions_unchanged", CampaignVersion.objects.get().pk


MUTATIONS: list[Mutation] = [
    no_pending,
    waiting_after_the_end,
    held_out_with_a_log,
    ended_without_a_moment,
    final_without_a_moment,
    failed_without_a_reason,
    flying_without_a_lease,
    a_gap_between_steps,
    sent_but_not_accepted,
    message_of_another_row,
    two_accepted,
    message_without_a_row,
    no_basis,
    basis_says_no,
    too_many,
    miscounted,
    version_unknown,
    wrong_step,
    stage_without_history,
    score_without_history,
    two_brokers,
    dangling,
    changed_version,
]


def test_verify_finds_nothing_after_honest_work(played: Campaign) -> None:
    assert broken() == {}


def test_verify_is_one_statement_an_invariant(played: Campaign, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(len(INVARIANTS) + 2 + 2):
        list(verify())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_verify_finds_the_corrupted_row(played: Campaign, broker: Broker, mutation: Mutation) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    invariant, row = mutation(broker)
    assert row in broken().get(invariant, [])


def test_every_invariant_has_a_mutation(played: Campaign, broker: Broker) -> None:
    names = {finding.invariant for finding in verify()}
    assert len(names) == len(MUTATIONS)


def test_verify_counts_all_and_shows_the_first(broker: Broker) -> None:
    for _ in range(3):
        a_lead(broker)
    Lead.objects.update(lead_score=77, last_activity_at=NOW + timedelta(hours=1))
    finding = next(one for one in verify() if one.invariant == "score_matches_history")
    assert (finding.count, len(finding.rows)) == (3, 3)


def test_histories_are_read_in_the_order_of_writing(broker: Broker) -> None:
    """Their moments are of different clocks; the lead's lock puts them in order."""
    lead = a_lead(broker)
    record_inbound(lead=lead, now=NOW + DAY, answers=None)
    edit_lead(lead=lead, now=NOW, by=None, location="Ñuñoa")
    move_stage(lead=lead, to="perfilamiento", now=NOW + DAY, cause="agent")
    move_stage(lead=now_of(lead), to="calificacion_financiera", now=NOW, cause="agent")
    assert broken() == {}
