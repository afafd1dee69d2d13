"""Consent as other systems and people tell of it: looked at field by field, then recorded."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import create_lead, delete_lead, record_consent
from leads.consents import newest_permission
from leads.models import ContactPermission, Lead
from tests.building import DAY, NOW, a_broker, a_lead, now_of

pytestmark = pytest.mark.django_db
OPT_OUT: dict[str, Any] = {"kind": "revoked", "source": "api", "now": NOW}
CONSENT: dict[str, Any] = {"kind": "granted", "source": "api", "wording": "Acepto recibir ofertas", "now": NOW}


@pytest.fixture
def broker() -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker)


def refused(**given: Any) -> list[str]:
    with pytest.raises(Refused) as refusal:
        record_consent(**given)
    assert not ContactPermission.objects.exists()
    return refusal.value.faults or [str(refusal.value)]


def test_consent_is_recorded_with_its_proof(broker: Broker, lead: Lead) -> None:
    record_consent(broker=broker, lead=lead, channel="email", evidence={"form": 7}, at=NOW - DAY, **CONSENT)
    row = ContactPermission.objects.get()
    assert (row.lead, row.address, row.channel, row.kind, row.purpose) == (
        lead, lead.email, "email", "granted", "marketing",
    )  # fmt: skip
    assert (row.source, row.wording, row.evidence, row.at) == ("api", CONSENT["wording"], {"form": 7}, NOW - DAY)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("kind", "maybe", "kind='maybe' is not allowed; use granted, revoked"),
        ("purpose", "spam", "purpose='spam' is not allowed; use marketing, all"),
        ("channel", "fax", "channel='fax' is not allowed; use *, telegram, whatsapp, email, call"),
        ("source", " ", "source=' ' is not allowed; say in 1 to 60 signs where it comes from"),
        ("source", "x" * 61, f"source='{'x' * 61}' is not allowed; say in 1 to 60 signs where it comes from"),
        (
            "wording",
            " ",
            "wording='' is not allowed for a consent; give the sentence that the person agreed to, as proof",
        ),
        ("at", NOW + DAY, f"at={(NOW + DAY).isoformat()} is not allowed; it lies in the future"),
        ("at", datetime(2026, 1, 1), "at=2026-01-01T00:00:00 is not allowed; give its time zone"),  # noqa: DTZ001
    ],
)
def test_what_is_wrong_is_named(broker: Broker, lead: Lead, field: str, value: Any, fault: str) -> None:
    with translation.override("en"):
        assert refused(broker=broker, lead=lead, **CONSENT | {field: value}) == [fault]


def test_every_fault_is_told_at_once(broker: Broker) -> None:
    faults = refused(broker=broker, **CONSENT | {"kind": "x", "channel": "y", "source": ""})
    assert [fault.split("=")[0] for fault in faults] == ["kind", "channel", "address", "source"]


def test_lead_of_another_brokerage_is_refused(lead: Lead) -> None:
    """failures.md row 33, for consent."""
    assert refused(broker=a_broker("boreal"), lead=lead, **OPT_OUT)[0].startswith(f"lead={lead.pk} is not allowed")


@pytest.mark.parametrize(
    ("address", "channel", "fault"),
    [("12", "call", "phone='12'"), ("x@", "email", "email='x@'"), ("@ana", "telegram", "telegram_chat_id='@ana'")],
)
def test_address_that_is_none_is_refused(broker: Broker, address: str, channel: str, fault: str) -> None:
    assert refused(broker=broker, address=address, channel=channel, **OPT_OUT)[0].startswith(fault)


def test_opt_out_needs_no_wording_and_holds_for_whoever_has_the_address(broker: Broker, lead: Lead) -> None:
    record_consent(broker=broker, address=f" {lead.email.upper()} ", channel="email", **OPT_OUT)
    row = ContactPermission.objects.get()
    assert (row.lead, row.address, now_of(lead).opted_out_at) == (lead, lead.email, NOW)


def test_opt_out_of_a_stranger_stands_by_itself(broker: Broker) -> None:
    record_consent(broker=broker, address="9 2233 4455", channel="call", **OPT_OUT)
    row = ContactPermission.objects.get()
    assert (row.lead, row.address, row.channel) == (None, "+56922334455", "call")


def test_consent_from_before_an_opt_out_does_not_end_it(broker: Broker, lead: Lead) -> None:
    record_consent(broker=broker, lead=lead, **OPT_OUT)
    record_consent(broker=broker, lead=lead, at=NOW - DAY, **CONSENT)
    assert now_of(lead).opted_out_at == NOW
    rule = newest_permission(list(ContactPermission.objects.about(lead)), "email", "marketing")
    assert rule is not None
    assert rule.kind == "revoked"


def test_opt_out_from_before_a_consent_does_not_end_it(broker: Broker, lead: Lead) -> None:
    record_consent(broker=broker, lead=lead, **CONSENT)
    record_consent(broker=broker, lead=lead, at=NOW - DAY, **OPT_OUT)
    assert now_of(lead).opted_out_at is None


def test_opt_out_of_an_address_binds_the_lead_it_was_handed_to(broker: Broker, lead: Lead) -> None:
    """It belongs to the address: who has it now is not written to either."""
    record_consent(broker=broker, lead=lead, channel="call", **OPT_OUT)
    delete_lead(lead=lead, now=NOW)
    heir = create_lead(broker=broker, now=NOW, phone=lead.phone)
    rules = list(ContactPermission.objects.about(heir))
    assert [newest_permission(rules, channel, "marketing") is not None for channel in ("call", "whatsapp")] == [
        True,
        False,
    ]


def test_who_comes_again_has_opted_out_already(broker: Broker, lead: Lead) -> None:
    record_consent(broker=broker, lead=lead, channel="email", **OPT_OUT)
    delete_lead(lead=lead, now=NOW)
    again = create_lead(broker=broker, now=NOW + DAY, email=lead.email)
    assert (again.opted_out_at, now_of(again).score_components["opted_out"]) == (NOW, -30)
    assert create_lead(broker=broker, now=NOW + DAY, name="Nobody").opted_out_at is None


@pytest.mark.parametrize("seconds", [0, 1])
def test_of_two_words_the_later_decides_at_the_same_moment_the_later_row(
    broker: Broker, lead: Lead, seconds: int
) -> None:
    record_consent(broker=broker, lead=lead, **CONSENT | {"at": NOW - DAY})
    record_consent(broker=broker, lead=lead, **OPT_OUT | {"at": NOW - DAY + timedelta(seconds=seconds)})
    assert now_of(lead).opted_out_at == NOW - DAY + timedelta(seconds=seconds)
