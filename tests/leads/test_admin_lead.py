"""Leads in the admin: what people type goes through the verbs."""

from typing import Any

import pytest
from django.test import Client

from brokers.admin_base import CappedPaginator
from brokers.models import User
from leads.models import Appointment, Lead, ScoreChange, StageTransition
from tests.brokers.admin_pages import admin_url, choice_fields, errors, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    """Its lead has no appointment any more, and so does not go to agendado by itself."""
    aurora = Brokerage("aurora")
    Appointment.objects.update(status="cancelled")
    return aurora


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def add(browser: Client, **fields: Any) -> Any:
    return saved(browser, admin_url(Lead, "add"), **fields)


def edit(browser: Client, lead: Lead, **fields: Any) -> Any:
    return saved(browser, admin_url(Lead, "change", lead.pk), **fields)


def test_new_lead_is_born_in_the_pipeline_and_scored(browser: Client, aurora: Brokerage) -> None:
    answer = add(browser, name="Eva Ríos", phone="9 8765 4321", tags="vip, norte", budget_amount="90000000")
    assert answer.status_code == 302
    lead = Lead.objects.get(phone="+56987654321")
    assert (lead.broker, lead.name, lead.tags, lead.lead_score) == (
        aurora.broker,
        "Eva Ríos",
        ["vip", "norte"],
        22,
    )
    assert lead.field_sources["name"]["by"] == aurora.admin.username
    birth = StageTransition.objects.get(lead=lead, from_stage="")
    assert (birth.from_stage, birth.to_stage, birth.by) == ("", "entrada", aurora.admin)
    assert ScoreChange.objects.get(lead=lead).from_score is None


def test_what_was_not_typed_has_no_source(browser: Client) -> None:
    add(browser, name="Eva")
    assert set(Lead.objects.get(name="Eva").field_sources) == {"name", "treatment_type"}


def test_edit_notes_who_said_so_and_scores_anew(browser: Client, aurora: Brokerage) -> None:
    assert edit(browser, aurora.lead, income_amount="3000000", metadata='{"timeline": "3 meses"}').status_code == 302
    lead = Lead.objects.get(pk=aurora.lead.pk)
    assert lead.score_components == {"name": 5, "phone": 5, "email": 5, "location": 5, "timeline": 5, "income": 15}
    assert set(lead.field_sources) == {"income_amount", "metadata"}
    assert ScoreChange.objects.filter(lead=lead, to_score=40).exists()


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("phone", "12", "phone='12' has 2 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"),
        ("email", "nobody", "Enter a valid email address."),
        ("timezone", "Mars/Base", "timezone='Mars/Base' is not allowed; use a name such as America/Santiago"),
        ("metadata", "[1]", 'Use an object such as {"timeline": "3 months"}.'),
        ("budget_amount", "much", "Enter a number."),
    ],
)
def test_wrong_value_is_refused_at_its_field(
    browser: Client, aurora: Brokerage, field: str, value: str, fault: str
) -> None:
    for answer in (add(browser, **{field: value}), edit(browser, aurora.lead, **{field: value})):
        assert errors(answer) == {field: [fault]}
    assert Lead.objects.present().count() == 1


def test_address_of_another_lead_is_refused(browser: Client, aurora: Brokerage) -> None:
    phone = aurora.lead.phone
    answer = add(browser, name="Eva", phone=phone)
    fault = f"Another lead of this brokerage has phone={phone} already."
    assert errors(answer) == {"__all__": [fault]}
    assert answer.context["adminform"].form["name"].value() == "Eva"
    aurora.add_one_of_each()
    assert errors(edit(browser, aurora.lead, phone=phone)) == {"__all__": [fault]}


def test_stage_score_and_status_cannot_be_typed(browser: Client, aurora: Brokerage) -> None:
    edit(browser, aurora.lead, pipeline_stage="ganado", lead_score="99", status="hot", qualification="CALIFICADO")
    lead = Lead.objects.get(pk=aurora.lead.pk)
    assert (lead.pipeline_stage, lead.lead_score, lead.status, lead.qualification) == ("entrada", 0, "cold", "")


def test_deleting_keeps_the_rows(browser: Client, aurora: Brokerage) -> None:
    url = admin_url(Lead, "delete", aurora.lead.pk)
    assert aurora.lead.name in browser.get(url).content.decode()
    assert browser.post(url, {"post": "yes"}).status_code == 302
    assert Lead.objects.get(pk=aurora.lead.pk).deleted_at is not None
    assert StageTransition.objects.filter(lead=aurora.lead).exists()
    assert browser.get(admin_url(Lead, "change", aurora.lead.pk)).status_code == 302
    assert browser.get(admin_url(Lead, "changelist")).context["cl"].result_count == 0


def test_chosen_leads_are_deleted(browser: Client, aurora: Brokerage) -> None:
    aurora.add_one_of_each()
    chosen = [lead.pk for lead in aurora.rows[Lead]]
    given = {"action": "delete_selected", "_selected_action": chosen}
    assert browser.post(admin_url(Lead, "changelist"), given).status_code == 200
    browser.post(admin_url(Lead, "changelist"), given | {"post": "yes"})
    assert Lead.objects.present().count() == 0
    assert Lead.objects.filter(pk__in=chosen).count() == 2


def test_operator_joins_no_two_brokerages(aurora: Brokerage) -> None:
    boreal = Brokerage("boreal")
    browser = signed_in(User.objects.create_superuser("operator"))
    answer = add(browser, name="Eva", broker=aurora.broker.pk, assigned_to=boreal.agent.pk)
    assert errors(answer) == {"assigned_to": ["This belongs to another brokerage."]}
    assert "assigned_to" in errors(edit(browser, aurora.lead, assigned_to=boreal.agent.pk))
    assert add(browser, name="Eva", broker=aurora.broker.pk, assigned_to=aurora.agent.pk).status_code == 302
    assert Lead.objects.get(name="Eva").broker == aurora.broker


def test_operator_is_offered_the_rows_of_the_leads_brokerage(aurora: Brokerage) -> None:
    boreal = Brokerage("boreal")
    browser = signed_in(User.objects.create_superuser("operator"))
    page = browser.get(admin_url(Lead, "change", aurora.lead.pk))
    assert set(choice_fields(page)["assigned_to"].queryset) == {aurora.admin, aurora.agent}
    page = browser.get(admin_url(Lead, "add"))
    assert set(choice_fields(page)["assigned_to"].queryset) >= {aurora.agent, boreal.agent}


def test_operator_must_choose_a_brokerage(aurora: Brokerage) -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    assert errors(add(browser, name="Eva")) == {"broker": ["This field is required."]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"stage": "entrada"}, 1),
        ({"stage": "ganado"}, 0),
        ({"score_min": "20"}, 0),
        ({"score_min": "0", "never_contacted": "true"}, 1),
        ({"has_telegram": "true"}, 0),
        ({"inactivity_days": "7"}, 0),
        ({"q": "+56 9 8765"}, 1),
    ],
)
def test_list_filters_speak_the_vocabulary(
    browser: Client, aurora: Brokerage, query: dict[str, str], found: int
) -> None:
    Lead.objects.update(last_activity_at="2100-01-01T00:00Z")
    page = browser.get(admin_url(Lead, "changelist"), query).context["cl"]
    assert page.result_count == found


def test_wrong_filter_is_dropped(browser: Client, aurora: Brokerage) -> None:
    answer = browser.get(admin_url(Lead, "changelist"), {"score_min": "many"})
    assert (answer.status_code, answer.url) == (302, "/admin/leads/lead/?e=1")


def test_no_list_counts_more_than_its_limit(browser: Client, aurora: Brokerage) -> None:
    aurora.add_one_of_each()
    paginator = CappedPaginator(Lead.objects.order_by("id"), 50)
    paginator.limit = 1
    assert paginator.count == 1


@pytest.mark.parametrize(
    "metadata",
    ["[" * 3000, "1" * 5000, '{"a": NaN}', '{"a": 1e999}', r'{"a": "\u0000"}', r'{"\ud83d": 1}', r'{"a": ["\u0000"]}'],
    ids=["deep", "long", "no number", "endless", "nul", "half a sign", "inside"],
)
def test_json_that_cannot_be_stored_is_refused_at_its_field(browser: Client, aurora: Brokerage, metadata: str) -> None:
    assert list(errors(edit(browser, aurora.lead, metadata=metadata))) == ["metadata"]


def test_tags_that_cannot_be_stored_are_refused_at_their_field(browser: Client, aurora: Brokerage) -> None:
    assert list(errors(edit(browser, aurora.lead, tags="vip, a\x00b"))) == ["tags"]


@pytest.mark.parametrize("ticked", ["abc", "\x00", "1.5", ""])
def test_ticked_row_that_is_no_lead_is_not_found(browser: Client, ticked: str) -> None:
    data = {"action": "move_chosen", "_selected_action": ticked}
    assert browser.post(admin_url(Lead, "changelist"), data).status_code == 404
