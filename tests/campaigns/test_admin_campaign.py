"""A campaign and its steps on one page of the admin, saved through the verbs."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from brokers.models import User
from campaigns.actions import activate
from campaigns.models import Campaign, CampaignStatus, CampaignStep, CampaignVersion
from tests.brokers.admin_pages import admin_url, errors, form_data, saved, signed_in
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db
EMPTY_STEP = {"step_number": "", "action": "send_message", "delay_hours": "0", "conditions": "{}"}


@pytest.fixture
def aurora() -> Brokerage:
    brokerage = Brokerage("aurora")
    CampaignVersion.objects.all().delete()
    return brokerage


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def step(row: int, **fields: Any) -> dict[str, Any]:
    return {f"steps-{row}-{name}": value for name, value in (EMPTY_STEP | fields).items()}


def with_steps(*rows: dict[str, Any]) -> dict[str, Any]:
    steps = {name: value for row, fields in enumerate(rows) for name, value in step(row, **fields).items()}
    return {"steps-TOTAL_FORMS": len(rows), **steps}


def add(browser: Client, *rows: dict[str, Any], **fields: Any) -> Any:
    given = {"name": "spring", "channel": "telegram", **with_steps(*rows), **fields}
    return saved(browser, admin_url(Campaign, "add"), **given)


def edit(browser: Client, campaign: Campaign, **fields: Any) -> Any:
    return saved(browser, admin_url(Campaign, "change", campaign.pk), **fields)


def steps_of(campaign: Campaign, version: int = 1) -> list[tuple[int, str]]:
    rows = CampaignStep.objects.filter(campaign=campaign, version=version).order_by("step_number")
    return list(rows.values_list("step_number", "action"))


@pytest.fixture
def spring(browser: Client, aurora: Brokerage) -> Campaign:
    """A draft of three steps."""
    add(
        browser,
        {"action": "send_message", "message_template": aurora.template.pk},
        {"action": "make_call", "delay_hours": "24"},
        {"action": "update_stage", "target_stage": "perfilamiento"},
    )
    return Campaign.objects.get(name="spring")


@pytest.fixture
def active(spring: Campaign, aurora: Brokerage) -> Campaign:
    CampaignStep.objects.filter(campaign=spring, action="make_call").update(
        action="update_stage", target_stage="perdido"
    )
    return activate(campaign=spring, now=NOW, by=aurora.admin)


def test_campaign_and_steps_are_made_on_one_page(spring: Campaign, aurora: Brokerage) -> None:
    assert (spring.broker, spring.created_by, spring.status) == (aurora.broker, aurora.admin, "draft")
    assert steps_of(spring) == [(1, "send_message"), (2, "make_call"), (3, "update_stage")]
    second = CampaignStep.objects.get(campaign=spring, step_number=2)
    assert (second.delay_hours, second.broker) == (Decimal(24), aurora.broker)


def test_step_is_put_in_taken_out_and_the_rest_closes_up(browser: Client, spring: Campaign) -> None:
    changes = {
        "steps-TOTAL_FORMS": 4,
        "steps-1-DELETE": "on",
        **step(3, step_number="1", action="update_stage", target_stage="perdido"),
    }
    assert edit(browser, spring, **changes).status_code == 302
    assert steps_of(spring) == [(1, "update_stage"), (2, "send_message"), (3, "update_stage")]
    assert CampaignStep.objects.get(campaign=spring, step_number=1).target_stage == "perdido"


@pytest.mark.parametrize(
    ("row", "number", "order"),
    [
        (2, "1", ["update_stage", "send_message", "make_call"]),
        (0, "3", ["make_call", "update_stage", "send_message"]),
        (0, "2", ["make_call", "send_message", "update_stage"]),
        (1, "", ["send_message", "update_stage", "make_call"]),
    ],
)
def test_step_moves_to_the_number_it_is_given(
    browser: Client, spring: Campaign, row: int, number: str, order: list[str]
) -> None:
    edit(browser, spring, **{f"steps-{row}-step_number": number})
    assert [action for _number, action in steps_of(spring)] == order


def test_wrong_step_is_refused_at_its_field(browser: Client, spring: Campaign) -> None:
    answer = edit(browser, spring, **{"steps-0-conditions": '{"puntaje": 1}', "steps-1-delay_hours": "-1"})
    formset = answer.context["inline_admin_formsets"][0].formset
    assert list(formset.errors[0]) == ["conditions"]
    assert formset.errors[0]["conditions"][0].startswith("puntaje is no condition; allowed are score_min")
    assert formset.errors[1] != {}


def test_step_conditions_know_what_an_enrolment_knows(browser: Client, spring: Campaign) -> None:
    edit(browser, spring, **{"steps-1-conditions": '{"previous_step": ["sent"], "score_min": 10}'})
    step = CampaignStep.objects.get(campaign=spring, step_number=2)
    assert step.conditions == {"previous_step": ["sent"], "score_min": 10}


@pytest.mark.parametrize(
    ("trigger", "condition", "fault"),
    [
        ("manual", '{"puntaje": 1}', "puntaje is no condition; allowed are score_min"),
        ("manual", '{"score_min": "much"}', "score_min='much': Enter a whole number."),
        ("manual", "[1]", "[1] is no condition; use an object such as"),
        ("manual", "{", "Enter a valid JSON."),
        ("lead_score", "{}", "trigger_condition: lead_score needs score_min"),
    ],
)
def test_wrong_trigger_condition_is_refused_at_its_field(
    browser: Client, aurora: Brokerage, trigger: str, condition: str, fault: str
) -> None:
    answer = add(browser, triggered_by=trigger, trigger_condition=condition)
    assert list(errors(answer)) == ["trigger_condition"]
    assert errors(answer)["trigger_condition"][0].startswith(fault)
    assert not Campaign.objects.filter(name="spring").exists()


def test_refused_steps_leave_nothing_half_done(browser: Client, spring: Campaign) -> None:
    everything = {f"steps-{row}-DELETE": "on" for row in range(3)}
    answer = edit(browser, spring, name="autumn", **everything)
    assert errors(answer)["__all__"] == ["steps: a campaign needs at least one step"]
    assert Campaign.objects.get(pk=spring.pk).name == "spring"
    assert len(steps_of(spring)) == 3


def test_edit_of_an_active_campaign_makes_a_successor(browser: Client, active: Campaign) -> None:
    assert edit(browser, active, **{"steps-0-delay_hours": "5"}).status_code == 302
    active.refresh_from_db()
    assert (active.version, active.versions.count()) == (2, 2)
    assert CampaignStep.objects.get(campaign=active, version=1, step_number=1).delay_hours == 0
    assert CampaignStep.objects.get(campaign=active, version=2, step_number=1).delay_hours == 5
    shown = browser.get(admin_url(Campaign, "change", active.pk)).context["inline_admin_formsets"][0].formset
    assert [form.instance.version for form in shown.initial_forms] == [2, 2, 2]


def test_successor_that_could_not_be_activated_is_refused(browser: Client, active: Campaign, aurora: Brokerage) -> None:
    answer = edit(browser, active, **{"steps-0-message_template": ""})
    assert errors(answer)["__all__"] == ["step 1: message_template is missing; choose a template"]
    active.refresh_from_db()
    assert active.version == 1


def test_edit_without_a_change_makes_no_successor(browser: Client, active: Campaign) -> None:
    edit(browser, active)
    active.refresh_from_db()
    assert active.version == 1


def test_edit_writes_the_edited_columns_only(browser: Client, active: Campaign) -> None:
    """The engine counts enrolled_count of the same row at the same time."""
    with CaptureQueriesContext(connection) as queries:
        edit(browser, active, name="autumn")
    written = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "campaigns_campaign"')]
    assert len(written) == 1
    assert """SET "name" = 'autumn' WHERE""" in written[0]


def test_active_campaign_keeps_its_channel(browser: Client, active: Campaign) -> None:
    edit(browser, active, channel="email")
    active.refresh_from_db()
    assert active.channel == "telegram"


def test_completed_campaign_is_only_looked_at(browser: Client, spring: Campaign) -> None:
    Campaign.objects.filter(pk=spring.pk).update(status=CampaignStatus.COMPLETED)
    page = browser.get(admin_url(Campaign, "change", spring.pk))
    assert (page.status_code, page.context["has_change_permission"]) == (200, False)
    assert browser.post(admin_url(Campaign, "change", spring.pk), {"name": "x"}).status_code == 403


def test_template_of_another_brokerage_is_refused(browser: Client, spring: Campaign) -> None:
    foreign = Brokerage("boreal").template
    answer = edit(browser, spring, **{"steps-0-message_template": foreign.pk})
    formset = answer.context["inline_admin_formsets"][0].formset
    assert list(formset.errors[0]) == ["message_template"]


def test_row_of_another_campaign_is_not_touched(browser: Client, spring: Campaign, aurora: Brokerage) -> None:
    other = CampaignStep.objects.get(campaign=aurora.one(Campaign))
    foreign = Brokerage("boreal").one(CampaignStep)
    for strange in (other, foreign):
        edit(browser, spring, **{"steps-0-id": strange.pk, "steps-0-delay_hours": "7"})
        edit(browser, spring, **{"steps-0-id": strange.pk, "steps-0-DELETE": "on"})
        strange.refresh_from_db()
        assert strange.delay_hours == 0


def test_operator_joins_no_two_brokerages(aurora: Brokerage) -> None:
    browser, boreal = signed_in(User.objects.create_superuser("operator")), Brokerage("boreal")
    answer = add(browser, {"message_template": boreal.template.pk}, broker=aurora.broker.pk)
    formset = answer.context["inline_admin_formsets"][0].formset
    assert formset.errors == [{"message_template": ["This belongs to another brokerage."]}]
    answer = add(browser, {"message_template": aurora.template.pk}, broker=aurora.broker.pk)
    assert (answer.status_code, Campaign.objects.get(name="spring").broker) == (302, aurora.broker)


def test_steps_replaced_meanwhile_are_refused(browser: Client, spring: Campaign) -> None:
    url = admin_url(Campaign, "change", spring.pk)
    opened = form_data(browser.get(url))
    edit(browser, spring, **{"steps-0-delay_hours": "5"})
    answer = browser.post(url, opened | {"steps-1-delay_hours": "9"})
    assert answer.status_code == 200
    assert CampaignStep.objects.get(campaign=spring, step_number=1).delay_hours == 5


def test_page_runs_as_many_queries_for_three_steps_as_for_one(
    browser: Client, spring: Campaign, aurora: Brokerage
) -> None:
    counts = []
    for campaign in (spring, aurora.one(Campaign), spring):
        with CaptureQueriesContext(connection) as queries:
            browser.get(admin_url(Campaign, "change", campaign.pk))
        counts.append(len(queries))
    assert counts[1] == counts[2], queries.captured_queries


def test_draft_is_deleted_with_its_steps(browser: Client, spring: Campaign) -> None:
    assert browser.post(admin_url(Campaign, "delete", spring.pk), {"post": "yes"}).status_code == 302
    assert not Campaign.objects.filter(pk=spring.pk).exists()


def test_what_was_activated_is_not_deleted(browser: Client, active: Campaign) -> None:
    """failures.md row 13."""
    assert browser.post(admin_url(Campaign, "delete", active.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [active.pk], "post": "yes"}
    assert browser.post(admin_url(Campaign, "changelist"), chosen).status_code == 403
    assert Campaign.objects.filter(pk=active.pk).exists()
