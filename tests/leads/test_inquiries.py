"""Every arrival of a lead who is known is kept, and is the latest thing they asked for."""

from typing import Any

import pytest

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import create_lead, delete_lead, merge_leads, recalculate_scores, receive_lead, record_inquiry
from leads.actions.arrival import Arrival
from leads.models import Inquiry, Lead
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, now_of
from tests.together import together

PHONE = "+56987654321"


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker()


def arrive(broker: Broker, hours: int = 0, property_ref: str = "12-B", **fields: Any) -> Arrival:
    inquiry = {"source": "portal", "property_ref": property_ref} | fields.pop("inquiry", {})
    return receive_lead(broker=broker, now=NOW + hours * HOUR, inquiry=inquiry, **{"phone": PHONE} | fields)


def asked(lead: Lead) -> list[str]:
    return list(lead.inquiries.order_by("at", "id").values_list("property_ref", flat=True))


def test_new_lead_comes_with_what_they_ask_for(broker: Broker) -> None:
    arrival = arrive(broker, name="Ana")
    assert (arrival.is_new, arrival.is_known, asked(arrival.lead)) == (True, False, ["12-B"])
    assert now_of(arrival.lead).last_inquiry_at == NOW


def test_known_lead_who_comes_again_asks_again(broker: Broker) -> None:
    first, second = arrive(broker), arrive(broker, hours=30, property_ref="7-A")
    assert (second.lead, second.is_new, asked(first.lead)) == (first.lead, False, ["12-B", "7-A"])
    known = now_of(first.lead)
    assert (known.last_inquiry_at, known.last_activity_at) == (NOW + 30 * HOUR, NOW + 30 * HOUR)


def test_asking_again_ends_the_silence(broker: Broker) -> None:
    lead = arrive(broker).lead
    recalculate_scores(broker=broker, clock=lambda: NOW + 60 * DAY)
    assert now_of(lead).score_components["silent"] == -5
    arrive(broker, hours=61 * 24, property_ref="7-A")
    assert now_of(lead).score_components.get("silent") is None


def test_known_lead_keeps_what_is_known_and_gets_what_is_not(broker: Broker) -> None:
    lead = arrive(broker, name="Ana", tags=["a"], metadata={"timeline": "now"}).lead
    arrive(broker, hours=1, name="Otra", email="ANA@example.com", tags=["b"], metadata={"timeline": "x", "rooms": "2"})
    known = now_of(lead)
    assert (known.name, known.email, known.tags) == ("Ana", "ana@example.com", ["a", "b"])
    assert known.metadata == {"timeline": "now", "rooms": "2"}


@pytest.mark.parametrize("external_id", ["", "p-77"])
def test_same_arrival_told_twice_is_one(broker: Broker, external_id: str) -> None:
    """failures.md row 24: a form that is posted again stamps nothing."""
    inquiry = {"external_id": external_id}
    first = arrive(broker, inquiry=inquiry, name="Ana")
    told = [arrive(broker, hours=hours, inquiry=inquiry) for hours in (1, 2)]
    assert [(one.lead, one.is_known) for one in told] == [(first.lead, True)] * 2
    known = now_of(first.lead)
    assert (asked(known), known.last_inquiry_at, known.last_activity_at) == (["12-B"], NOW, NOW)


def test_same_words_on_another_day_are_another_arrival(broker: Broker) -> None:
    lead = arrive(broker).lead
    arrive(broker, hours=24)
    assert asked(lead) == ["12-B", "12-B"]


def test_email_is_the_same_lead_only_where_one_has_no_phone(broker: Broker) -> None:
    alone = arrive(broker, phone="", email="ana@example.com").lead
    with_phone = arrive(broker, hours=1, email="ana@example.com")
    assert (with_phone.lead, now_of(alone).phone) == (alone, PHONE)
    other = arrive(broker, hours=2, phone="+56987654399", email="ana@example.com")
    assert other.is_new


def test_deleted_lead_who_comes_again_is_new(broker: Broker) -> None:
    lead = arrive(broker).lead
    delete_lead(lead=lead, now=NOW)
    assert arrive(broker, hours=1).is_new


def test_arrival_without_an_address_is_refused(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        arrive(broker, phone="")
    assert refused.value.reason == "no_address"


def test_another_brokerage_knows_nobody(broker: Broker) -> None:
    """failures.md row 33."""
    arrive(broker)
    assert arrive(a_broker("boreal")).is_new


def test_inquiry_of_a_known_lead_is_kept_once(broker: Broker) -> None:
    lead = a_lead(broker)
    said = [record_inquiry(lead=lead, now=NOW + n * HOUR, source="x", external_id="1") for n in (1, 2)]
    assert (said, now_of(lead).last_inquiry_at) == ([True, False], NOW + HOUR)


def test_older_inquiry_does_not_turn_the_clock_back(broker: Broker) -> None:
    lead = a_lead(broker)
    for at in (NOW + DAY, NOW + HOUR):
        record_inquiry(lead=lead, now=at, source="x", text=f"{at}")
    assert now_of(lead).last_inquiry_at == NOW + DAY


def test_old_phone_of_a_merged_lead_is_the_one_who_was_kept(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker, phone=PHONE)
    merge_leads(into=into, from_=gone, now=NOW)
    assert arrive(broker, hours=1).lead == into
    with pytest.raises(Refused) as refused:
        create_lead(broker=broker, now=NOW, phone=PHONE)
    assert refused.value.reason == "address_taken"


def test_merge_keeps_the_inquiries_of_both(broker: Broker) -> None:
    into, gone = a_lead(broker), a_lead(broker, phone=PHONE)
    arrive(broker, hours=1)
    merge_leads(into=into, from_=gone, now=NOW + DAY)
    assert (asked(into), now_of(into).last_inquiry_at) == (["12-B"], NOW + HOUR)


@pytest.mark.django_db(transaction=True)
def test_two_arrivals_at_once_are_one_lead_and_two_inquiries() -> None:
    broker = a_broker()
    found = together(*(lambda ref=ref: arrive(broker, property_ref=ref) for ref in ("12-B", "7-A")))
    assert sorted(one.is_new for one in found) == [False, True]
    assert (Lead.objects.count(), Inquiry.objects.count()) == (1, 2)
