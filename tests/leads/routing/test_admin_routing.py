"""Rules, hours and absences are edited in forms that say what is wrong; leads are given to agents from their list."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from brokers.models import Broker, User
from leads.models import Absence, Assignment, Lead, RoutingAgent, RoutingRule, RoutingSettings, WorkingHours
from tests.brokers.admin_pages import admin_url, errors, form_data, said, saved, signed_in
from tests.building import NOW, a_lead, a_user, some_leads
from tests.leads.routing.offices import a_rule, some_agents, who_has

pytestmark = pytest.mark.django_db
NEW_RULE = {"name": "East", "position": "1", "is_active": "on", "strategy": "weighted", "if_nobody": "leave"}


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in(admin)


def seats(*rows: tuple[User, int]) -> dict[str, Any]:
    given: dict[str, Any] = {"seats-TOTAL_FORMS": len(rows)}
    for number, (agent, weight) in enumerate(rows):
        given |= {f"seats-{number}-agent": agent.pk, f"seats-{number}-weight": weight}
    return given


def add_rule(browser: Client, **values: Any) -> Any:
    return saved(browser, admin_url(RoutingRule, "add"), **NEW_RULE | values)


def test_rule_is_written_with_conditions_and_agents(browser: Client, agent: User, colleague: User) -> None:
    conditions = {"location_any": "Ñuñoa, Macul", "budget_max": "250000000", "score_min": "40"}
    answer = add_rule(browser, **conditions, **seats((agent, 3), (colleague, 1)))
    assert answer.status_code == 302
    rule = RoutingRule.objects.get()
    assert rule.conditions == {"location_any": ["Ñuñoa", "Macul"], "budget_max": "250000000", "score_min": 40}
    assert (rule.broker, rule.strategy, rule.if_nobody, rule.at_work_only) == (agent.broker, "weighted", "leave", True)
    assert [(seat.agent, seat.weight, seat.broker) for seat in rule.seats.order_by("id")] == [
        (agent, 3, agent.broker),
        (colleague, 1, agent.broker),
    ]
    fits = a_lead(rule.broker, location="Ñuñoa", budget_amount=10**8, tags=["x"], income_amount=3_000_000)
    assert (fits.lead_score >= 40, fits.assigned_to_id) == (True, agent.pk)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"score_min": "200"}, "score_min", ("score_min='200'", "100")),
        ({"budget_min": "mucho"}, "budget_min", ("budget_min='mucho'",)),
        ({"budget_min": "5", "budget_max": "4"}, "budget_min", ("budget_min=5", "budget_max=4")),
        ({"name": ""}, "name", ("required",)),
        ({"claim_minutes": "0"}, "claim_minutes", ("1",)),
        ({"strategy": "dice"}, "strategy", ("dice",)),
        ({"fallback": "first_to_claim"}, "fallback", ("first_to_claim",)),
    ],
)
def test_fault_of_a_rule_is_said_at_its_field(
    browser: Client, values: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    found = errors(add_rule(browser, **values))
    assert (list(found), [word for word in words if word not in found[field][0]]) == ([field], [])
    assert RoutingRule.objects.count() == 0


@pytest.mark.parametrize("weight", ["0", "-1", "x"])
def test_weight_is_a_whole_number_from_one(browser: Client, agent: User, weight: str) -> None:
    answer = add_rule(browser, **seats((agent, 1)) | {"seats-0-weight": weight})
    assert (answer.status_code, RoutingRule.objects.count()) == (200, 0)


def test_agent_of_another_brokerage_gets_no_place_in_a_rule(browser: Client, outsider: User) -> None:
    """failures.md row 33."""
    assert (add_rule(browser, **seats((outsider, 1))).status_code, RoutingAgent.objects.count()) == (200, 0)


def test_operator_joins_no_two_brokerages_in_a_rule(operator: User, broker: Broker, outsider: User) -> None:
    answer = add_rule(signed_in(operator), broker=broker.pk, **seats((outsider, 1)))
    assert (answer.status_code, RoutingAgent.objects.count()) == (200, 0)


def test_conditions_of_another_door_stay(browser: Client, broker: Broker) -> None:
    rule = a_rule(broker, conditions={"has_email": True, "source": ["web"]})
    assert saved(browser, admin_url(RoutingRule, "change", rule.pk), source="portal").status_code == 302
    assert RoutingRule.objects.get().conditions == {"has_email": True, "source": ["portal"]}


@pytest.mark.parametrize(("changes", "is_reset"), [({"name": "other"}, False), ({"strategy": "least_loaded"}, True)])
def test_turns_begin_anew_with_other_shares_only(
    browser: Client, broker: Broker, changes: dict[str, Any], is_reset: bool
) -> None:
    rule = a_rule(broker, *some_agents(broker, 2))
    a_lead(broker)
    saved(browser, admin_url(RoutingRule, "change", rule.pk), **changes)
    assert [seat.lag for seat in rule.seats.order_by("id")] == ([0, 0] if is_reset else [-1, 1])


def test_preview_names_who_would_get_leads_and_changes_nothing(browser: Client, broker: Broker) -> None:
    leads = some_leads(broker, 3)
    rule = a_rule(broker, *some_agents(broker, 2), name="East", is_active=False)
    answer = browser.get(reverse("admin:leads_routingrule_preview", args=[rule.pk])).context["answer"]
    lines = answer.splitlines()[2:]
    assert lines == [
        f"{leads[2]} → Agent 1 [East: in turn]",
        f"{leads[1]} → Agent 2 [East: in turn]",
        f"{leads[0]} → Agent 1 [East: in turn]",
    ]
    assert (Assignment.objects.count(), {seat.lag for seat in rule.seats.all()}) == (0, {0})


def test_preview_without_leads_says_what_to_do(browser: Client, broker: Broker) -> None:
    rule = a_rule(broker)
    page = browser.get(reverse("admin:leads_routingrule_preview", args=[rule.pk]))
    assert "no lead yet" in page.context["answer"]


def test_working_hours_are_written_day_by_day(browser: Client, agent: User) -> None:
    days = dict.fromkeys(("tue", "wed", "thu", "fri", "sat", "sun"), "")
    saved(browser, admin_url(WorkingHours, "add"), agent=agent.pk, mon="9:00 - 18:30", **days)
    hours = WorkingHours.objects.get()
    assert (hours.broker, hours.hours["mon"], {hours.hours[day] for day in days}) == (
        agent.broker,
        ["09:00", "18:30"],
        {None},
    )


@pytest.mark.parametrize("text", ["18:00-09:00", "9", "mañana", "25:00-26:00", "09:00-12:00-15:00"])
def test_hours_that_are_none_are_named(browser: Client, agent: User, text: str) -> None:
    found = errors(saved(browser, admin_url(WorkingHours, "add"), agent=agent.pk, mon=text))
    assert (list(found), f"mon={text!r}" in found["mon"][0], WorkingHours.objects.count()) == (["mon"], True, 0)


def test_absence_must_end_after_it_starts(browser: Client, agent: User) -> None:
    url = admin_url(Absence, "add")
    times = {"starts_at_0": "2026-03-05", "starts_at_1": "00:00", "ends_at_0": "2026-03-04", "ends_at_1": "00:00"}
    assert list(errors(saved(browser, url, agent=agent.pk, **times))) == ["__all__"]
    assert saved(browser, url, agent=agent.pk, **times | {"ends_at_0": "2026-03-09"}).status_code == 302
    assert Absence.objects.get().broker == agent.broker


def test_speed_limit_is_set_and_switched_off(browser: Client, broker: Broker, agent: User) -> None:
    url = admin_url(RoutingSettings, "change", RoutingSettings.objects.get(broker=broker).pk)
    for minutes, stored in (("15", 15), ("", None)):
        saved(browser, url, touch_within_minutes=minutes, default_agent=agent.pk, sat="")
        settings = RoutingSettings.objects.get(broker=broker)
        assert (settings.touch_within_minutes, settings.default_agent) == (stored, agent)
        assert (settings.business_hours["mon"], settings.business_hours["sat"]) == (["09:00", "19:00"], None)


def test_brokerage_has_its_settings_once(browser: Client, broker: Broker) -> None:
    assert browser.get(admin_url(RoutingSettings, "add")).status_code == 403
    RoutingSettings.objects.filter(broker=broker).delete()
    assert saved(browser, admin_url(RoutingSettings, "add")).status_code == 302
    assert RoutingSettings.objects.get(broker=broker).touch_within_minutes == 5


def assign(browser: Client, leads: list[Lead], *agents: User, **values: Any) -> Any:
    chosen = {"action": "assign_chosen", "_selected_action": [lead.pk for lead in leads]}
    url = admin_url(Lead, "changelist")
    page = browser.post(url, chosen)
    assert list(page.context["form"].errors) == []
    return browser.post(url, form_data(page) | {"agents": [agent.pk for agent in agents]} | values, follow=True)


def test_chosen_leads_are_shared_among_agents(browser: Client, broker: Broker, admin: User) -> None:
    leads, agents = some_leads(broker, 3), some_agents(broker, 2)
    a_lead(broker)
    assert said(assign(browser, leads, *agents, reason="East")) == ["3 leads were assigned."]
    assert [who_has(lead) for lead in leads] == [agents[0], agents[1], agents[0]]
    rows = Assignment.objects.values_list("cause", "reason", "by").distinct()
    assert (list(rows), Assignment.objects.count()) == ([("person", "East", admin.pk)], 3)


def test_without_an_agent_nothing_is_assigned_and_said_so(browser: Client, broker: Broker) -> None:
    leads = some_leads(broker, 2)
    assert list(assign(browser, leads).context["form"].errors) == ["agents"]
    assert Assignment.objects.count() == 0


def test_inactive_and_foreign_agents_are_not_offered(browser: Client, broker: Broker, outsider: User) -> None:
    leads, gone = some_leads(broker, 1), a_user(broker, "gone", is_active=False)
    for agent in (gone, outsider):
        assert list(assign(browser, leads, agent).context["form"].errors) == ["agents"]


def test_operator_joins_no_two_brokerages_by_the_action(operator: User, broker: Broker, outsider: User) -> None:
    answer = assign(signed_in(operator), some_leads(broker, 1), outsider)
    assert list(answer.context["form"].errors) == ["agents"]


def test_page_of_a_lead_shows_who_had_it(browser: Client, broker: Broker, agent: User, colleague: User) -> None:
    lead = a_lead(broker, assigned_to=agent)
    url = admin_url(Lead, "change", lead.pk)
    saved(browser, url, assigned_to=colleague.pk)
    [inline] = browser.get(url).context["inline_admin_formsets"]
    shown = [(form.instance.from_user, form.instance.to_user) for form in inline.formset.forms]
    assert shown == [(agent, colleague), (None, agent)]


def test_assigning_to_who_left_is_refused_at_the_field(browser: Client, broker: Broker) -> None:
    gone = a_user(broker, "gone", is_active=False)
    answer = saved(browser, admin_url(Lead, "change", a_lead(broker, now=NOW).pk), assigned_to=gone.pk)
    assert list(errors(answer)) == ["assigned_to"]
