"""An opt-out belongs to the address (failures.md row 19): whoever has it, come again or another, is left alone."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from brokers.models import Broker
from leads.actions import create_lead, delete_lead, edit_lead, record_consent, suppress_addresses
from leads.importer.writing import import_leads
from leads.models import ContactPermission, Lead
from messaging.clock import VirtualClock
from tests.building import DAY, HOUR, a_campaign, a_lead, a_template, a_user, broken, enroll, log_of, message_step, run

pytestmark = pytest.mark.django_db
CHANNELS = ("telegram", "whatsapp", "email", "call")
ADDRESS = {"telegram": "telegram_chat_id", "whatsapp": "phone", "email": "email", "call": "phone"}


def outcome(lead: Lead, clock: VirtualClock, channel: str) -> str:
    """What became of a campaign's step for this lead on this channel: sent, or why not."""
    broker = lead.broker
    step = {"action": "make_call"} if channel == "call" else {}
    spec = {**message_step(broker, message_template=a_template(broker, channel=channel, subject="Hola")), **step}
    campaign = a_campaign(broker, {**spec, "channel": channel}, channel=channel, now=clock.now())
    enroll(campaign, lead, now=clock.now())
    run(clock, passes=2)
    row = log_of(lead, campaign=campaign)
    return row.reason or row.status


def said(lead: Lead, now: datetime, channel: str, about: str = "") -> None:
    """The suppression list knows the address, and no lead."""
    ContactPermission.objects.create(
        broker=lead.broker,
        address=getattr(lead, ADDRESS[channel]),
        kind="revoked",
        source="REPEP",
        at=now,
        channel=about or channel,
    )


@pytest.fixture
def person(broker: Broker) -> Lead:
    return a_lead(broker, treatment_type="automated_call", assigned_to=a_user(broker))


@pytest.mark.parametrize("channel", CHANNELS)
def test_address_on_the_list_is_left_alone_on_its_channel(person: Lead, clock: VirtualClock, channel: str) -> None:
    said(person, clock.now(), channel)
    assert outcome(person, clock, channel) == "opted_out"
    assert broken() == {}


@pytest.mark.parametrize("channel", CHANNELS)
def test_address_on_no_list_is_reached(person: Lead, clock: VirtualClock, channel: str) -> None:
    """So that the others prove something."""
    assert outcome(person, clock, channel) in ("sent", "pending")


@pytest.mark.parametrize("channel", ["whatsapp", "call"])
def test_phone_on_the_list_holds_for_all_that_uses_it(person: Lead, clock: VirtualClock, channel: str) -> None:
    said(person, clock.now(), "call", about="*")
    assert outcome(person, clock, channel) == "opted_out"


@pytest.mark.parametrize("channel", ["whatsapp", "call", "email"])
def test_registry_of_phones_leaves_mail_alone(person: Lead, clock: VirtualClock, channel: str) -> None:
    how = {"reach": "phone", "purpose": "marketing", "source": "No Llame", "wording": ""}
    by = a_user(person.broker, "admin")
    suppress_addresses(broker=person.broker, text=person.phone, by=by, now=clock.now(), **how)
    assert outcome(person, clock, channel) == ("sent" if channel == "email" else "opted_out")


def come_again(lead: Lead, now: datetime, folder: Path) -> Lead:
    return create_lead(broker=lead.broker, now=now, phone=lead.phone, email=lead.email)


def import_again(lead: Lead, now: datetime, folder: Path) -> Lead:
    file = folder / "again.csv"
    file.write_text(f"Teléfono;Correo\n{lead.phone};{lead.email}\n", encoding="utf-8")
    import_leads(broker=lead.broker, path=file, clock=lambda: now)
    return Lead.objects.present().get(phone=lead.phone)


def hand_over(lead: Lead, now: datetime, folder: Path) -> Lead:
    """The number is somebody else's now."""
    heir = a_lead(lead.broker, now=now)
    return edit_lead(lead=heir, now=now, by=None, phone=lead.phone, email=lead.email)


@pytest.mark.parametrize("again", [come_again, import_again, hand_over])
@pytest.mark.parametrize("channel", ["whatsapp", "email"])
def test_opt_out_survives_deletion(
    person: Lead, clock: VirtualClock, again: Callable[..., Lead], channel: str, tmp_path: Path
) -> None:
    record_consent(broker=person.broker, lead=person, kind="revoked", source="told_by_phone", now=clock.now())
    delete_lead(lead=person, now=clock.now())
    clock.advance(HOUR)
    assert outcome(again(person, clock.now(), tmp_path), clock, channel) == "opted_out"
    assert broken() == {}


def test_consent_of_the_new_owner_counts(person: Lead, clock: VirtualClock, tmp_path: Path) -> None:
    record_consent(broker=person.broker, lead=person, kind="revoked", source="told_by_phone", now=clock.now())
    delete_lead(lead=person, now=clock.now())
    clock.advance(HOUR)
    heir = come_again(person, clock.now(), tmp_path)
    record_consent(
        broker=heir.broker, lead=heir, kind="granted", source="form", wording="Acepto ofertas", now=clock.now()
    )
    clock.advance(DAY)
    assert outcome(heir, clock, "email") == "sent"
