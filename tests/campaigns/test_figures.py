"""Goals of those whom campaigns took in, and of the treated beside the held-out: worked examples."""

from typing import Any

import pytest

from brokers.models import Broker
from campaigns.figures import Arm, HoldOut, Verdict, conversion_by_campaign, hold_out
from campaigns.models import Campaign, CampaignLog
from leads.figures import Scope, scope_for, scope_of
from leads.models import Lead
from tests.building import NOW, a_broker, a_draft, a_user, enroll, enrolment_of, some_leads
from tests.building import a_campaign as an_active_campaign
from tests.figures import a_history, after, an_entry, hours

DAYS = 24
BOOKED = ((0, "entrada"), (10, "agendado"))


@pytest.fixture
def campaign(broker: Broker) -> Campaign:
    return a_draft(broker)


def scope(broker: Broker, **narrowing: Any) -> Scope:
    return scope_of(broker=broker, now=after(100 * DAYS), **narrowing)


def compared(campaign: Campaign, **how: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    found = hold_out(how.pop("scope", None) or scope(campaign.broker), campaign, **how)
    return (found.treated.size, found.treated.reached), (found.held_out.size, found.held_out.reached)


def test_both_arms_are_counted_by_the_same_goal(broker: Broker, campaign: Campaign) -> None:
    for moves, is_held in ((BOOKED, False), (BOOKED[:1], False), (BOOKED, True), (BOOKED[:1], True)):
        an_entry(campaign, a_history(broker, *moves), 0, is_held=is_held)
    assert compared(campaign) == ((2, 1), (2, 1))
    assert compared(campaign, goal="ganado") == ((2, 0), (2, 0))
    campaign.goal_stage = "entrada"
    campaign.save()
    assert compared(campaign) == ((2, 0), (2, 0))


def test_goal_counts_after_the_entry_and_within_the_days(broker: Broker, campaign: Campaign) -> None:
    for at in (0, 30 * DAYS, 30 * DAYS + 1):
        an_entry(campaign, a_history(broker, (-9, "entrada"), (at, "agendado")), 0)
    an_entry(campaign, a_history(broker, (-9, "entrada")), 0, is_held=True)
    assert compared(campaign) == ((3, 1), (1, 0))
    assert compared(campaign, within_days=31) == ((3, 2), (1, 0))


def test_both_arms_are_equally_old(broker: Broker, campaign: Campaign) -> None:
    for at in (0, 70 * DAYS, 70 * DAYS + 1):
        for is_held in (False, True):
            an_entry(campaign, a_history(broker, (at, "entrada"), (at + 1, "agendado")), at, is_held=is_held)
    found = hold_out(scope(broker), campaign)
    assert (found.treated, found.held_out, found.too_young) == (Arm(2, 2), Arm(2, 2), 2)


def test_treated_of_a_time_when_nobody_was_held_out_are_told_apart(broker: Broker, campaign: Campaign) -> None:
    for at, is_held in ((0, False), (1, True), (2, False), (3, True), (4, False)):
        an_entry(campaign, a_history(broker, (0, "entrada")), at, is_held=is_held)
    found = hold_out(scope(broker), campaign)
    assert (found.treated.size, found.held_out.size, found.beside) == (1, 2, 2)


def test_lead_counts_once_in_the_arm_of_its_first_entry(broker: Broker, campaign: Campaign) -> None:
    changed = a_history(broker, (0, "entrada"), (60, "agendado"))
    an_entry(campaign, changed, 0, is_held=True)
    an_entry(campaign, changed, 50, entry=2)
    assert compared(campaign) == ((0, 0), (1, 1))


def test_goal_to_which_a_campaign_moved_the_lead_is_not_reached(broker: Broker, campaign: Campaign) -> None:
    an_entry(campaign, a_history(broker, (0, "entrada"), (1, "agendado", "campaign")), 0)
    an_entry(campaign, a_history(broker, (0, "entrada")), 0, is_held=True)
    assert compared(campaign) == ((1, 0), (1, 0))


def test_goal_that_was_taken_back_is_not_reached(broker: Broker, campaign: Campaign) -> None:
    an_entry(campaign, a_history(broker, *BOOKED, (11, "entrada", "correction")), 0, is_held=True)
    assert compared(campaign) == ((0, 0), (1, 0))


def test_deleted_leads_stay_in_their_arm_and_merged_ones_count_elsewhere(broker: Broker, campaign: Campaign) -> None:
    gone, merged = (a_history(broker, *BOOKED) for _ in range(2))
    for lead in (gone, merged):
        an_entry(campaign, lead, 0, is_held=True)
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    Lead.objects.filter(pk=merged.pk).update(deleted_at=NOW, merged_into=gone)
    assert compared(campaign) == ((0, 0), (1, 1))


def test_sandbox_is_compared_apart(broker: Broker, campaign: Campaign) -> None:
    """failures.md row 31."""
    an_entry(campaign, a_history(broker, *BOOKED), 0, is_held=True, sandbox=True)
    assert compared(campaign) == ((0, 0), (0, 0))
    assert compared(campaign, sandbox=True) == ((0, 0), (1, 1))


def test_period_is_about_the_entry(broker: Broker, campaign: Campaign) -> None:
    """NOW is 4 March, noon in Santiago."""
    for at in (11, 12):
        an_entry(campaign, a_history(broker, (0, "entrada")), at, is_held=True)
    assert compared(campaign, scope=scope(broker, until=NOW.date().replace(day=5))) == ((0, 0), (1, 0))


def test_agent_compares_own_leads(broker: Broker, campaign: Campaign) -> None:
    agent = a_user(broker)
    for one in (agent, None):
        an_entry(campaign, a_history(broker, *BOOKED, assigned_to=one), 0, is_held=True)
    assert compared(campaign, scope=scope_for(user=agent, now=after(100 * DAYS))) == ((0, 0), (1, 1))


def test_entries_that_the_engine_makes_are_compared(broker: Broker) -> None:
    """The arms of a real intake, on the sandbox."""
    campaign = an_active_campaign(broker, holdout_percent=40)
    leads = some_leads(broker, 20)
    enroll(campaign, *leads)
    held = sum(enrolment_of(lead).status == "held_out" for lead in leads)
    assert 0 < held < 20
    assert compared(campaign, sandbox=True) == ((20 - held, 0), (held, 0))


def held(treated: tuple[int, int], held_out: tuple[int, int]) -> HoldOut:
    arms = (Arm(size, reached) for reached, size in (treated, held_out))
    return HoldOut(1, "Campaign", "agendado", 30, *arms)


@pytest.mark.parametrize(
    ("treated", "held_out", "verdict"),
    [
        ((38, 412), (6, 101), Verdict.UNPROVEN),
        ((80, 400), (5, 100), Verdict.BETTER),
        ((10, 400), (20, 100), Verdict.WORSE),
        ((29, 29), (0, 400), Verdict.TOO_SMALL),
        ((4, 400), (0, 100), Verdict.TOO_SMALL),
        ((0, 0), (5, 100), Verdict.TOO_SMALL),
    ],
)
def test_verdict_follows_from_the_interval(treated: Any, held_out: Any, verdict: str) -> None:
    assert held(treated, held_out).verdict == verdict


def test_without_an_arm_there_is_no_difference() -> None:
    found = held((5, 100), (0, 0))
    assert (found.difference, found.interval) == (None, None)


def test_conversion_by_campaign_counts_the_treated(broker: Broker, campaign: Campaign) -> None:
    for at, moves in ((0, BOOKED), (0, BOOKED[:1]), (90 * DAYS, BOOKED[:1])):
        an_entry(campaign, a_history(broker, *moves), at)
    an_entry(campaign, a_history(broker, *BOOKED), 0, is_held=True)
    [found] = conversion_by_campaign(scope(broker))
    assert (found.campaign_id, found.name, found.goal) == (campaign.pk, campaign.name, "agendado")
    assert (found.treated, found.too_young, found.contacted, found.reached) == (2, 1, 0, 1)
    assert (found.share, found.took.median) == (0.5, hours(10))


def test_contacted_is_whom_a_provider_took_a_message_for(broker: Broker, campaign: Campaign) -> None:
    """failures.md row 31."""
    for status, message in (("sent", 1), ("failed", 2), ("sent", None)):
        entry = an_entry(campaign, a_history(broker, (0, "entrada")), 0)
        known = {"step_id": 0, "step_number": 1, "action": "send_message", "planned_at": NOW, "due_at": NOW}
        CampaignLog.objects.create(
            broker=broker,
            enrollment=entry,
            campaign=campaign,
            lead_id=entry.lead_id,
            status=status,
            message_id=message,
            created_at=NOW,
            **known,
        )
    assert [one.contacted for one in conversion_by_campaign(scope(broker))] == [1]


def test_campaigns_of_another_brokerage_count_nowhere(broker: Broker, campaign: Campaign) -> None:
    other = a_draft(a_broker("boreal"))
    for one in (campaign, other):
        an_entry(one, a_history(one.broker, *BOOKED), 0)
    assert [one.campaign_id for one in conversion_by_campaign(scope(broker))] == [campaign.pk]
    assert hold_out(scope(broker), other).beside == 0
