"""The buttons of a campaign."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from campaigns.actions import activate, create_campaign, pause, save_steps
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment
from leads.models import Lead
from tests.brokers.admin_pages import admin_url, errors, form_data, said, signed_in
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


@pytest.fixture
def spring(aurora: Brokerage) -> Campaign:
    campaign = create_campaign(broker=aurora.broker, now=NOW, name="spring", channel="telegram")
    spec = {"action": "send_message", "message_template": aurora.template}
    save_steps(campaign=campaign, specs=[spec], now=NOW)
    return campaign


def press(browser: Client, campaign: Campaign, verb: str, **fields: Any) -> Any:
    url = admin_url(Campaign, verb, campaign.pk)
    return browser.post(url, form_data(browser.get(url)) | fields, follow=True)


def status_of(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).status


def enrolled(campaign: Campaign) -> set[int]:
    return set(Enrollment.objects.filter(campaign=campaign).values_list("lead", flat=True))


def test_campaign_lives_by_its_buttons(browser: Client, spring: Campaign) -> None:
    for verb, status in (("activate", "active"), ("pause", "paused"), ("resume", "active"), ("complete", "completed")):
        answer = press(browser, spring, verb)
        assert (answer.redirect_chain[0][0], status_of(spring)) == (admin_url(Campaign, "change", spring.pk), status)
        assert len(said(answer)) == 1


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("draft", ["activate", "explain"]),
        ("active", ["pause", "complete", "enrol", "explain", "move"]),
        ("paused", ["resume", "complete", "explain", "move"]),
        ("completed", ["explain"]),
    ],
)
def test_buttons_are_those_of_the_status(browser: Client, spring: Campaign, status: str, offered: list[str]) -> None:
    Campaign.objects.filter(pk=spring.pk).update(status=status)
    page = browser.get(admin_url(Campaign, "change", spring.pk))
    html = page.content.decode()
    assert [
        verb
        for verb in ("activate", "pause", "resume", "complete", "enrol", "explain", "move")
        if f'"{admin_url(Campaign, verb, spring.pk)}"' in html
    ] == offered


def test_looking_at_a_button_does_nothing(browser: Client, spring: Campaign) -> None:
    assert browser.get(admin_url(Campaign, "activate", spring.pk)).status_code == 200
    assert status_of(spring) == "draft"


def test_every_fault_is_shown_at_once(browser: Client, aurora: Brokerage) -> None:
    campaign = create_campaign(broker=aurora.broker, now=NOW, name="wrong", channel="email")
    specs = [{"action": "send_message"}, {"action": "send_message", "message_template": aurora.template}]
    save_steps(campaign=campaign, specs=specs, now=NOW)
    answer = press(browser, campaign, "activate")
    assert status_of(campaign) == CampaignStatus.DRAFT
    assert said(answer) == [
        "step 1: message_template is missing; choose a template",
        f"step 2: template {aurora.template.name} is for telegram, the step contacts by email",
        "account: no sandbox account for email",
    ]


def test_activation_may_take_in_who_matches_already(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    Brokerage("boreal")
    Campaign.objects.filter(pk=spring.pk).update(triggered_by="lead_score", trigger_condition={"score_min": 0})
    page = browser.get(admin_url(Campaign, "activate", spring.pk))
    assert page.context["lines"] == ["Leads that match the trigger's condition now: 1"]
    press(browser, spring, "activate", include_matching="on")
    assert enrolled(spring) == {aurora.lead.pk}


def test_refused_button_says_why(browser: Client, spring: Campaign) -> None:
    assert len(said(press(browser, spring, "pause"))) == 1
    assert status_of(spring) == "draft"


def test_chosen_leads_are_enrolled(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    press(browser, spring, "activate")
    answer = press(browser, spring, "enrol", leads=f" {aurora.lead.pk}, ")
    assert said(answer) == ["1 enrolled, 0 held out, 0 left out."]
    assert enrolled(spring) == {aurora.lead.pk}
    assert said(press(browser, spring, "enrol", leads=str(aurora.lead.pk))) == ["0 enrolled, 0 held out, 1 left out."]


def test_leads_of_a_condition_are_enrolled(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    Brokerage("boreal")
    press(browser, spring, "activate")
    press(browser, spring, "enrol", condition='{"stage": "entrada"}')
    assert enrolled(spring) == {aurora.lead.pk}


def test_foreign_lead_is_not_enrolled(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    foreign = Brokerage("boreal").lead
    press(browser, spring, "activate")
    answer = press(browser, spring, "enrol", leads=f"{aurora.lead.pk} {foreign.pk}")
    assert said(answer) == [f"leads={foreign.pk} is no lead of this brokerage"]
    assert enrolled(spring) == set()


@pytest.mark.parametrize(
    ("fields", "field", "fault"),
    [
        ({}, "__all__", "Give either the numbers of leads or a condition."),
        (
            {"leads": "1", "condition": '{"score_min": 1}'},
            "__all__",
            "Give either the numbers of leads or a condition.",
        ),
        ({"leads": "1, x"}, "leads", "x is no number of a lead."),
        ({"condition": '{"puntaje": 1}'}, "condition", "puntaje is no condition; allowed are score_min"),
        ({"condition": "{"}, "condition", "Enter a valid JSON."),
    ],
)
def test_unclear_choice_is_refused(
    browser: Client, spring: Campaign, fields: dict[str, str], field: str, fault: str
) -> None:
    press(browser, spring, "activate")
    answer = press(browser, spring, "enrol", **fields)
    assert list(errors(answer)) == [field]
    assert errors(answer)[field][0].startswith(fault)
    assert Lead.objects.present().count() == 1
    assert enrolled(spring) == set()


@pytest.mark.parametrize("policy", ["shift", "send", "skip"])
def test_resume_shows_what_waits_and_does_what_was_chosen(browser: Client, spring: Campaign, policy: str) -> None:
    activate(campaign=spring, now=NOW)
    enroll_leads(campaign=spring, leads=Lead.objects.all(), trigger="manual", now=NOW)
    pause(campaign=spring, now=NOW + timedelta(hours=1))
    page = browser.get(admin_url(Campaign, "resume", spring.pk))
    assert "1 steps wait; 1 of them are overdue." in page.content.decode()
    press(browser, spring, "resume", policy=policy)
    log = CampaignLog.objects.get(campaign=spring)
    outcome = (log.status, log.due_at > NOW)
    assert outcome == {"shift": ("pending", True), "send": ("pending", True), "skip": ("skipped", False)}[policy]


def test_versions_page_shows_who_is_where_and_moves(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    activate(campaign=spring, now=NOW)
    enroll_leads(campaign=spring, leads=Lead.objects.all(), trigger="manual", now=NOW)
    spec = {"action": "send_message", "message_template": aurora.template}
    save_steps(campaign=spring, specs=[spec, spec], now=NOW)
    page = browser.get(admin_url(Campaign, "move", spring.pk)).content.decode()
    assert "2 steps: 0 under way of 0. Moving the others here: 1 go on, 0 end, 0 stay." in page
    assert said(press(browser, spring, "move", to=2)) == [
        "1 enrolments moved, 0 ended, 0 stay: their step is being sent."
    ]
    assert Enrollment.objects.get(campaign=spring).version == 2


def test_why_page_answers_about_own_leads_only(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    url = admin_url(Campaign, "explain", spring.pk)
    assert "The lead was never in this campaign." in browser.get(url, {"lead": aurora.lead.pk}).content.decode()
    foreign = Brokerage("boreal").lead
    assert "The lead was never" not in browser.get(url, {"lead": foreign.pk}).content.decode()
