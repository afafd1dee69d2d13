"""The one verb that takes leads in: whom it takes, what it writes, what it leaves aside."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import pause
from campaigns.enrollment import Intake, chosen_leads, enroll_leads, is_held_out
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.models import Lead
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_draft,
    a_lead,
    enroll,
    message_step,
    some_leads,
)

pytestmark = pytest.mark.django_db


def members(campaign: Campaign, **which: Any) -> list[int]:
    return list(Enrollment.objects.filter(campaign=campaign, **which).order_by("lead").values_list("lead", flat=True))


def ids(leads: list[Lead]) -> list[int]:
    return [lead.pk for lead in leads]


def test_enrolment_writes_entry_and_first_row(broker: Broker) -> None:
    lead = a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, delay_hours="1.5", channel="email"))
    assert enroll(campaign, lead) == Intake(candidates=1, enrolled=1)
    entry = Enrollment.objects.get()
    assert (entry.broker, entry.lead, entry.version, entry.entry, entry.trigger) == (broker, lead, 1, 1, "manual")
    assert (entry.status, entry.enrolled_at, entry.finished_at, entry.sandbox) == ("active", NOW, None, True)
    log = CampaignLog.objects.get()
    assert (log.broker, log.campaign, log.lead, log.step) == (broker, campaign, lead, campaign.steps.get())
    assert (log.action, log.channel, log.status, log.attempts) == ("send_message", "email", "pending", 0)
    assert log.due_at == log.planned_at == NOW + 1.5 * HOUR


def test_enrolment_keeps_what_brought_the_lead_in(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker), lead, evidence=F("metadata"))
    assert Enrollment.objects.get().evidence == {}


def test_enrolment_counts_who_is_in(broker: Broker) -> None:
    campaign = a_campaign(broker)
    enroll(campaign, *some_leads(broker, 3))
    enroll(campaign, *some_leads(broker, 2))
    assert Campaign.objects.get().enrolled_count == 5


def test_lead_is_in_a_campaign_once(broker: Broker) -> None:
    """failures.md row 11: it is a normal outcome, not an error."""
    campaign = a_campaign(broker)
    first, second = some_leads(broker, 2)
    enroll(campaign, first)
    intake = enroll(campaign, first, second)
    assert (intake, intake.left_out) == (Intake(candidates=2, enrolled=1), 1)
    assert members(campaign) == ids([first, second])


def test_lead_may_be_in_several_campaigns(broker: Broker) -> None:
    lead = a_lead(broker)
    for _ in range(3):
        enroll(a_campaign(broker), lead)
    assert Enrollment.objects.filter(lead=lead, entry=1).count() == 3


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_slices_of_any_size_take_the_same_leads_in(broker: Broker, size: int) -> None:
    """failures.md row 15."""
    leads = some_leads(broker, 20)
    campaign = a_campaign(broker, holdout_percent=30, max_contacts=9)
    enroll(campaign, *leads[3:6])
    intake = enroll(campaign, *leads, slice_size=size)
    free = [lead.pk for lead in leads if not is_held_out(campaign.pk, lead.pk, 30)]
    entered = [lead.pk for lead in leads[3:6] if lead.pk in free]
    wanted = entered + [pk for pk in free if pk not in entered][: 9 - len(entered)]
    assert members(campaign, status="active") == sorted(wanted)
    assert (intake.candidates, Campaign.objects.get().enrolled_count) == (20, len(wanted))
    last = max(pk for pk in wanted)
    held = [lead.pk for lead in leads if is_held_out(campaign.pk, lead.pk, 30)]
    assert [pk for pk in members(campaign, status="held_out") if pk < last] == [pk for pk in held if pk < last]


@pytest.mark.parametrize(("room", "enrolled"), [(0, 0), (1, 1), (4, 4), (5, 5), (None, 5)])
def test_room_is_filled_exactly(broker: Broker, room: int | None, enrolled: int) -> None:
    campaign = a_campaign(broker, max_contacts=room)
    intake = enroll(campaign, *some_leads(broker, 5))
    assert (intake.enrolled, intake.left_out) == (enrolled, 5 - enrolled)


def test_room_is_not_taken_by_who_is_held_out(broker: Broker) -> None:
    campaign = a_campaign(broker, max_contacts=4, holdout_percent=60)
    leads = some_leads(broker, 60)
    held = [is_held_out(campaign.pk, lead.pk, 60) for lead in leads]
    before_it_was_full = [position for position, is_held in enumerate(held) if not is_held][3]
    intake = enroll(campaign, *leads)
    assert (intake.enrolled, intake.held_out) == (4, sum(held[:before_it_was_full]))
    assert Campaign.objects.get().enrolled_count == 4


def test_room_is_not_taken_by_who_is_under_way(broker: Broker) -> None:
    """Although by their days they might enter again."""
    campaign = a_campaign(broker, max_contacts=2, reentry_after_days=1)
    first, second = some_leads(broker, 2)
    enroll(campaign, first)
    assert enroll(campaign, first, second, now=NOW + 9 * DAY).enrolled == 1


def test_room_counts_every_entry(broker: Broker) -> None:
    campaign = a_campaign(broker, max_contacts=3)
    leads = some_leads(broker, 5)
    assert [enroll(campaign, lead).enrolled for lead in leads] == [1, 1, 1, 0, 0]


def test_held_out_lead_has_no_row_in_the_log(broker: Broker) -> None:
    campaign = a_campaign(broker, holdout_percent=50)
    intake = enroll(campaign, *some_leads(broker, 40))
    held = Enrollment.objects.filter(status="held_out")
    assert (held.count(), CampaignLog.objects.filter(enrollment__in=held).count()) == (intake.held_out, 0)
    assert CampaignLog.objects.count() == intake.enrolled == 40 - intake.held_out


def test_hold_out_is_the_same_in_sql_and_python(broker: Broker) -> None:
    leads = some_leads(broker, 40)
    for percent in (0, 1, 50, 99):
        campaign = a_campaign(broker, holdout_percent=percent)
        enroll(campaign, *leads)
        expected = [lead.pk for lead in leads if is_held_out(campaign.pk, lead.pk, percent)]
        assert members(campaign, status="held_out") == expected


def test_hold_out_holds_out_about_as_many_as_it_says() -> None:
    """By the hash alone, over leads numbered one after the other, for several campaigns."""
    for campaign in (1, 2, 77):
        held = sum(is_held_out(campaign, lead, 20) for lead in range(10_000))
        assert abs(held - 2000) < 160  # four standard deviations


def test_hold_out_in_sql_is_the_same_for_ids_of_any_size(broker: Broker) -> None:
    pairs = [(7, 2**40 + 1), (2**33, 3), (1, 1), (10, 123456789)]
    statement = "SELECT ('x' || substr(md5(%s || ':' || %s), 1, 8))::bit(32)::bigint %% 100"
    with connection.cursor() as cursor:
        for campaign, lead in pairs:
            [value] = cursor.execute(statement, [str(campaign), str(lead)]).fetchone()
            assert is_held_out(campaign, lead, value + 1)
            assert not is_held_out(campaign, lead, value)


def test_leads_of_another_brokerage_are_left_aside(broker: Broker) -> None:
    """failures.md row 33."""
    own, foreign = a_lead(broker), a_lead(a_broker("boreal"))
    campaign = a_campaign(broker)
    assert enroll(campaign, own, foreign) == Intake(candidates=1, enrolled=1)
    assert enroll(campaign).enrolled == 0
    assert members(campaign) == [own.pk]


def test_deleted_leads_are_left_aside(broker: Broker) -> None:
    lead = a_lead(broker)
    Lead.objects.update(deleted_at=NOW)
    assert enroll(a_campaign(broker), lead) == Intake()


@pytest.mark.parametrize("status", ["draft", "paused"])
def test_campaign_that_is_not_active_takes_nobody_in(broker: Broker, status: str) -> None:
    campaign = a_draft(broker) if status == "draft" else pause(campaign=a_campaign(broker), now=NOW)
    with pytest.raises(Refused, match=campaign.name) as refused:
        enroll(campaign, a_lead(broker))
    assert (refused.value.reason, Enrollment.objects.count()) == ("not_active", 0)


def test_any_filter_chooses_the_leads(broker: Broker) -> None:
    leads = some_leads(broker, 4)
    wanted = Lead.objects.filter(name__contains="%", pk__gt=leads[0].pk) | Lead.objects.filter(pk=leads[2].pk)
    campaign = a_campaign(broker)
    enroll_leads(campaign=campaign, leads=wanted, trigger="manual", now=NOW)
    assert members(campaign) == [leads[2].pk]


def test_ordered_filter_chooses_too(broker: Broker) -> None:
    leads = some_leads(broker, 4)
    campaign = a_campaign(broker)
    enroll_leads(campaign=campaign, leads=Lead.objects.order_by("-name", "-id"), trigger="manual", now=NOW)
    assert members(campaign) == ids(leads)


def test_chosen_leads_are_those_of_the_brokerage(broker: Broker) -> None:
    own, foreign = a_lead(broker), a_lead(a_broker("boreal"))
    campaign = a_campaign(broker)
    assert list(chosen_leads(campaign, [own.pk])) == [own]
    with pytest.raises(Refused, match=f"leads={foreign.pk} is no lead") as refused:
        chosen_leads(campaign, [own.pk, foreign.pk])
    assert refused.value.reason == "lead_unknown"


def test_enrolment_of_many_takes_as_many_statements_as_of_one(broker: Broker) -> None:
    campaign, counts = a_campaign(broker), []
    for count in (1, 30):
        leads = some_leads(broker, count)
        with CaptureQueriesContext(connection) as queries:
            enroll(campaign, *leads, now=NOW + DAY)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
