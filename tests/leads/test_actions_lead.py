"""Leads come and change; each verb says no by name and has then changed nothing."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import assign_leads, create_lead, edit_lead
from leads.models import Assignment, Inquiry, Lead, ScoreChange, StageTransition
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, now_of, some_leads

pytestmark = pytest.mark.django_db
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"phone": "123"}, "phone_invalid", "phone='123'"),
    ({"phone": "no tengo"}, "phone_invalid", "phone='no tengo'"),
    ({"email": "ana"}, "email_invalid", "email='ana'"),
    ({"edad": 30}, "field_unknown", "edad"),
    ({"lead_score": 99}, "field_unknown", "lead_score"),
    ({"pipeline_stage": "ganado"}, "field_unknown", "pipeline_stage"),
    ({"timezone": "Mars/Phobos"}, "field_invalid", "timezone='Mars/Phobos'"),
    ({"treatment_type": "automatic"}, "field_invalid", "treatment_type='automatic'"),
    ({"dicom_status": "sucio"}, "field_invalid", "dicom_status='sucio'"),
    ({"name": "x" * 201}, "field_invalid", "name="),
    ({"language": "español"}, "field_invalid", "language='español'"),
    ({"language": "fr"}, "field_invalid", "language='fr'"),
    ({"budget_amount": "mucho"}, "field_invalid", "budget_amount='mucho'"),
    ({"budget_amount": "-5"}, "field_invalid", "budget_amount=-5"),
    ({"metadata": ["x"]}, "field_invalid", "metadata=['x']"),
    ({"tags": "vip"}, "field_invalid", "tags='vip'"),
]


@pytest.fixture
def broker() -> Broker:
    return a_broker()


def test_new_lead_has_its_birth_its_score_and_its_inquiry(broker: Broker) -> None:
    fields = {"name": "Ana", "phone": "9 8765 4321", "email": " ANA@Example.com"}
    lead = create_lead(broker=broker, now=NOW, inquiry={"source": "portal", "property_ref": "D-12"}, **fields)
    fresh = now_of(lead)
    assert (fresh.phone, fresh.email, fresh.lead_score, fresh.status) == ("+56987654321", "ana@example.com", 17, "cold")
    assert fresh.score_components == {"name": 5, "phone": 5, "email": 5, "stage": 2}
    assert list(ScoreChange.objects.values_list("from_score", "to_score", "cause")) == [(None, 17, "arrival")]
    assert list(StageTransition.objects.order_by("id").values_list("to_stage", "cause", "at")) == [
        ("entrada", "arrival", NOW),
        ("perfilamiento", "auto", NOW),
    ]
    assert list(Inquiry.objects.values_list("lead", "property_ref", "at")) == [(lead.pk, "D-12", NOW)]


def test_new_lead_keeps_every_moment_of_its_arrival(broker: Broker) -> None:
    lead = a_lead(broker, now=NOW + HOUR)
    moments = {lead.created_at, lead.updated_at, lead.stage_entered_at, lead.last_activity_at}
    assert moments == {NOW + HOUR}


def test_new_lead_says_who_said_what(broker: Broker) -> None:
    lead = create_lead(broker=broker, now=NOW, by=a_user(broker), name="Ana", location="")
    assert lead.field_sources == {"name": {"by": "carla-aurora", "at": NOW.isoformat()}}


def test_new_lead_needs_nothing(broker: Broker) -> None:
    assert (create_lead(broker=broker, now=NOW).lead_score, Lead.objects.count()) == (0, 1)


@pytest.mark.parametrize(("fields", "reason", "says"), WRONG)
def test_wrong_field_is_refused_by_name(broker: Broker, fields: dict[str, Any], reason: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        create_lead(broker=broker, now=NOW, **fields)
    assert (refused.value.reason, says in str(refused.value), Lead.objects.count()) == (reason, True, 0)


@pytest.mark.parametrize(("fields", "reason", "says"), WRONG)
def test_wrong_change_is_refused_by_name(broker: Broker, fields: dict[str, Any], reason: str, says: str) -> None:
    lead = a_lead(broker)
    with pytest.raises(Refused) as refused:
        edit_lead(lead=lead, now=NOW + DAY, by=None, notes="x", **fields)
    assert (refused.value.reason, says in str(refused.value)) == (reason, True)
    assert (now_of(lead).notes, now_of(lead).updated_at) == ("", NOW)


@pytest.mark.parametrize("address", [{"phone": "+56987654321"}, {"telegram_chat_id": "4711"}])
def test_address_belongs_to_one_lead_of_a_brokerage(broker: Broker, address: dict[str, str]) -> None:
    create_lead(broker=broker, now=NOW, **address)
    [value] = address.values()
    with pytest.raises(Refused, match=value.replace("+", r"\+")) as refused:
        create_lead(broker=broker, now=NOW, **address)
    other = a_lead(broker)
    with pytest.raises(Refused):
        edit_lead(lead=other, now=NOW, by=None, **address)
    assert (refused.value.reason, Lead.objects.count()) == ("address_taken", 2)


def test_address_may_be_at_another_brokerage_too(broker: Broker) -> None:
    for owner in (broker, a_broker("boreal")):
        create_lead(broker=owner, now=NOW, phone="+56987654321", telegram_chat_id="4711")
    assert Lead.objects.count() == 2


def test_mailbox_may_be_shared(broker: Broker) -> None:
    some_leads(broker, 2, email="casa@example.com")
    assert Lead.objects.count() == 2


def test_agent_of_another_brokerage_is_refused(broker: Broker) -> None:
    """failures.md row 33."""
    foreign = a_user(a_broker("boreal"))
    for attempt in (
        lambda: a_lead(broker, assigned_to=foreign),
        lambda: edit_lead(lead=a_lead(broker), now=NOW, by=None, assigned_to=foreign),
        lambda: assign_leads(leads=Lead.objects.all(), agents=[foreign], now=NOW, rule="round"),
    ):
        a_lead(broker)
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.reason == "agent_foreign"
    assert Lead.objects.exclude(assigned_to=None).count() == 0


def test_change_is_scored_and_written_down(broker: Broker) -> None:
    lead = a_lead(broker)
    edited = edit_lead(lead=lead, now=NOW + DAY, by=None, location="Ñuñoa", income_amount=Decimal(2_000_000))
    assert (edited.lead_score, edited.status, now_of(lead).lead_score) == (15 + 5 + 12, "warm", 32)
    change = ScoreChange.objects.latest("id")
    assert (change.from_score, change.to_score, change.at, change.cause) == (15, 32, NOW + DAY, "edit")
    assert now_of(lead).last_activity_at == NOW + DAY


def test_change_says_who_said_it_and_keeps_what_others_said(broker: Broker) -> None:
    lead, agent = a_lead(broker), a_user(broker)
    edit_lead(lead=lead, now=NOW + DAY, by=agent, location="Ñuñoa")
    sources = now_of(lead).field_sources
    assert (sources["location"]["by"], sources["name"]["by"]) == (agent.username, "system")


def test_change_to_what_is_known_already_changes_nothing(broker: Broker) -> None:
    lead = a_lead(broker, name="Ana")
    edit_lead(lead=lead, now=NOW + DAY, by=None, name="Ana", phone=lead.phone)
    assert (now_of(lead).updated_at, ScoreChange.objects.count()) == (NOW, 1)


def test_change_writes_only_its_own_columns(broker: Broker) -> None:
    """Somebody else changed another column after this lead was loaded."""
    lead = a_lead(broker)
    Lead.objects.filter(pk=lead.pk).update(notes="de otra persona", inbound_count=3)
    edit_lead(lead=lead, now=NOW + DAY, by=None, location="Ñuñoa")
    assert (now_of(lead).notes, now_of(lead).inbound_count) == ("de otra persona", 3)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"phone": "+56987654322"}, {"telegram": "x", "email": "x"}),
        ({"email": "otra@example.com"}, {"telegram": "x", "whatsapp": "x", "call": "x"}),
        ({"telegram_chat_id": "99"}, {"email": "x", "whatsapp": "x", "call": "x"}),
        ({"notes": "x"}, {"telegram": "x", "email": "x", "whatsapp": "x", "call": "x"}),
    ],
)
def test_new_address_may_be_tried(broker: Broker, changes: dict[str, str], left: dict[str, str]) -> None:
    lead = a_lead(broker)
    everything = dict.fromkeys(("telegram", "email", "whatsapp", "call"), "x")
    Lead.objects.filter(pk=lead.pk).update(unreachable=everything)
    edit_lead(lead=lead, now=NOW, by=None, **changes)
    assert now_of(lead).unreachable == left


def test_leads_are_divided_evenly_in_their_order(broker: Broker) -> None:
    leads = some_leads(broker, 5)
    one, two = a_user(broker, "a"), a_user(broker, "b")
    assert assign_leads(leads=Lead.objects.all(), agents=[one, two], now=NOW, rule="round", by=one) == 5
    assert [now_of(lead).assigned_to for lead in leads] == [one, two, one, two, one]
    assert Assignment.objects.filter(rule="round", by=one, at=NOW).count() == 5


@pytest.mark.parametrize("name", ["Ana Pérez", "  Ana   Pérez", "Ana"])
def test_first_name_is_the_first_word(broker: Broker, name: str) -> None:
    assert a_lead(broker, name=name).first_name == "Ana"


def test_lead_without_a_name_has_no_first_name(broker: Broker) -> None:
    assert [a_lead(broker, name=name).first_name for name in ("", " ", "\u00a0")] == ["", "", ""]
