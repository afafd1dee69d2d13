"""A lead that is offered to several agents: one claims it, or the fallback gives it away when the time is over."""

from datetime import timedelta

import pytest

from brokers.models import Broker, OutboxEvent, User
from brokers.refusal import Refused
from leads.actions import assign_lead, claim_lead, create_task, delete_lead
from leads.actions.unclaimed import pass_on_unclaimed
from leads.models import Lead, Notice, Offer, RoutingRule
from tests.building import DAY, NOW, a_lead, a_user, broken, now_of
from tests.leads.routing.offices import a_rule, an_offered_lead, history, outcomes, some_agents, who_has

pytestmark = pytest.mark.django_db
LIMIT = timedelta(minutes=10)


@pytest.fixture
def agents(broker: Broker) -> list[User]:
    return some_agents(broker, 3)


def pass_on(broker: Broker, *, minutes: int = 10, batch: int = 100) -> int:
    return pass_on_unclaimed(broker=broker, now=NOW + timedelta(minutes=minutes), batch=batch)


def refusal(lead: Lead, by: User, *, minutes: int = 1) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        claim_lead(lead=lead, by=by, now=NOW + timedelta(minutes=minutes))
    return refused.value.reason, str(refused.value)


def test_lead_is_offered_to_all_and_nobodys_yet(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents, claim_minutes=7)
    assert (who_has(lead), history(lead)) == (None, [])
    assert outcomes(lead) == {"Agent 1": "", "Agent 2": "", "Agent 3": ""}
    assert set(Offer.objects.values_list("expires_at", flat=True)) == {NOW + timedelta(minutes=7)}


def test_agents_hear_of_an_offer_by_mail(broker: Broker, agents: list[User]) -> None:
    User.objects.filter(pk__in=[agents[0].pk, agents[2].pk]).update(email="agent@example.com")
    an_offered_lead(broker, *agents)
    assert [notice.user for notice in Notice.objects.order_by("id")] == [agents[0], agents[2]]
    assert "/offers/" in Notice.objects.all()[0].body


def test_whoever_claims_first_gets_it(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents, name="quick")
    task = create_task(lead=lead, title="call", due_at=NOW, now=NOW)
    claimed = claim_lead(lead=lead, by=agents[1], now=NOW + timedelta(minutes=3))
    assert (claimed.assigned_to, history(lead)) == (agents[1], [(None, agents[1], "claim", "quick")])
    assert outcomes(lead) == {"Agent 1": "taken", "Agent 2": "claimed", "Agent 3": "taken"}
    assert type(task).objects.get().assignee == agents[1]
    assert broken() == {}


def test_others_are_told_who_has_it(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    claim_lead(lead=lead, by=agents[1], now=NOW)
    reason, told = refusal(lead, agents[0])
    assert (reason, str(agents[1]) in told) == ("claimed", True)


def test_claiming_twice_is_claiming_once(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    for _ in range(2):
        claim_lead(lead=lead, by=agents[1], now=NOW)
    assert len(history(lead)) == 1


def test_who_was_not_offered_a_lead_cannot_claim_it(broker: Broker, agents: list[User], colleague: User) -> None:
    assert refusal(an_offered_lead(broker, *agents), colleague)[0] == "not_offered"
    assert refusal(a_lead(broker), a_user(broker, "x"))[0] == "not_offered"


def test_whoever_has_as_many_as_they_may_claims_no_more(broker: Broker, agents: list[User]) -> None:
    """Both were offered while there was room."""
    leads = [an_offered_lead(broker, *agents, max_open=1), a_lead(broker)]
    claim_lead(lead=leads[0], by=agents[0], now=NOW)
    assert refusal(leads[1], agents[0])[0] == "full"
    assert claim_lead(lead=leads[1], by=agents[1], now=NOW).assigned_to == agents[1]


def test_lead_that_a_person_gave_away_cannot_be_claimed(broker: Broker, agents: list[User], colleague: User) -> None:
    lead = an_offered_lead(broker, *agents)
    assign_lead(lead=lead, to=colleague, now=NOW, cause="person")
    assert set(outcomes(lead).values()) == {"withdrawn"}
    assert refusal(lead, agents[0])[0] == "claimed"
    assign_lead(lead=lead, to=None, now=NOW, cause="person")
    assert refusal(lead, agents[0])[0] == "too_late"


def test_lead_that_is_gone_cannot_be_claimed(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    delete_lead(lead=lead, now=NOW)
    assert refusal(lead, agents[0])[0] == "lead_gone"
    assert (pass_on(broker), set(outcomes(lead).values()), who_has(lead)) == (1, {"gone"}, None)


@pytest.mark.parametrize(("minutes", "is_refused"), [(9, False), (10, True), (11, True)])
def test_time_limit_holds_also_before_anybody_swept(
    broker: Broker, agents: list[User], minutes: int, is_refused: bool
) -> None:
    lead = an_offered_lead(broker, *agents)
    if is_refused:
        assert refusal(lead, agents[0], minutes=minutes)[0] == "too_late"
    else:
        claim_lead(lead=lead, by=agents[0], now=NOW + timedelta(minutes=minutes))
    assert (who_has(lead) == agents[0]) is not is_refused


def test_before_the_time_is_over_nothing_is_passed_on(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, *agents)
    assert (pass_on(broker, minutes=9), who_has(lead)) == (0, None)


def test_unclaimed_leads_are_given_by_the_fallback_once(broker: Broker, agents: list[User]) -> None:
    leads = [an_offered_lead(broker, *agents, name="quick"), a_lead(broker)]
    assert (pass_on(broker), pass_on(broker)) == (2, 0)
    assert [history(lead) for lead in leads] == [
        [(None, agent, "fallback", "quick")] for agent in (agents[0], agents[1])
    ]
    assert (set(outcomes(leads[0]).values()), broken()) == ({"expired"}, {})


def test_unclaimed_leads_are_passed_on_batch_by_batch(broker: Broker, agents: list[User]) -> None:
    """failures.md rows 3 and 15."""
    a_rule(broker, *agents, strategy="first_to_claim")
    leads = [a_lead(broker) for _ in range(5)]
    assert [pass_on(broker, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [who_has(lead) for lead in leads] == [agents[0], agents[1], agents[2], agents[0], agents[1]]


def test_unclaimed_lead_goes_to_the_next_rule_when_nobody_is_left(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, agents[0])
    a_rule(broker, agents[1], name="later")
    User.objects.filter(pk=agents[0].pk).update(is_active=False)
    pass_on(broker)
    assert history(lead) == [(None, agents[1], "fallback", "later")]


def test_unclaimed_lead_may_be_offered_to_others_by_the_next_rule(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, agents[0])
    a_rule(broker, agents[1], strategy="first_to_claim")
    User.objects.filter(pk=agents[0].pk).update(is_active=False)
    pass_on(broker)
    assert (who_has(lead), outcomes(lead)) == (None, {"Agent 1": "expired", "Agent 2": ""})
    assert (pass_on(broker, minutes=20), who_has(lead)) == (1, agents[1])


def test_unclaimed_lead_whose_rule_is_gone_is_routed_anew(broker: Broker, agents: list[User]) -> None:
    lead = an_offered_lead(broker, agents[0])
    RoutingRule.objects.all().delete()
    a_rule(broker, agents[1])
    pass_on(broker)
    assert who_has(lead) == agents[1]


def test_unclaimed_lead_that_nobody_can_take_is_told_once(broker: Broker, agents: list[User], admin: User) -> None:
    lead = an_offered_lead(broker, agents[0], if_nobody="leave")
    User.objects.filter(pk=agents[0].pk).update(is_active=False)
    assert (pass_on(broker), pass_on(broker)) == (1, 0)
    assert (who_has(lead), now_of(lead).tasks.get().assignee) == (None, admin)
    assert OutboxEvent.objects.get().kind == "lead.unrouted"


def test_offers_of_one_brokerage_only_are_passed_on(broker: Broker, other_broker: Broker) -> None:
    """failures.md row 33."""
    leads = [an_offered_lead(owner, *some_agents(owner, 1)) for owner in (broker, other_broker)]
    assert pass_on(broker, minutes=60 * 24) == 1
    assert [who_has(lead) is None for lead in leads] == [False, True]
    assert pass_on_unclaimed(broker=other_broker, now=NOW + DAY) == 1
