"""The invitation that goes to a lead by mail, over a real SMTP server and a real mail service."""

from collections.abc import Iterator
from typing import Any

import icalendar
import pytest

from brokers.models import Broker
from leads.actions import cancel_appointment, move_appointment
from leads.models import Appointment, Lead
from messaging.appointments import tell_leads
from messaging.base import Attachment, Envelope
from messaging.mail_services import Anymail
from messaging.models import ChannelAccount, Message
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_user, at, book
from tests.peers.mail_service import TOKEN, mail_peer
from tests.peers.smtp import SmtpPeer, smtp_peer

pytestmark = pytest.mark.django_db
STARTS = NOW + 2 * DAY


@pytest.fixture
def broker() -> Broker:
    return a_broker(language="en")


@pytest.fixture
def peer(broker: Broker) -> Iterator[SmtpPeer]:
    """The brokerage's real account for mail; telegram and WhatsApp stay on the sandbox."""
    ChannelAccount.objects.filter(broker=broker, channel="email").update(is_default=False)
    with smtp_peer() as peer:
        ChannelAccount.objects.create(
            broker=broker,
            channel="email",
            provider="smtp",
            is_default=True,
            sender="Aurora Ñuñoa <hola@aurora.example>",
            credentials={"host": "127.0.0.1", "port": peer.port, "security": "none"},
            created_at=NOW,
        )
        yield peer


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, name="Ana", email="ana@example.com", assigned_to=a_user(broker, first_name="Carla"))


def invitations(peer: SmtpPeer) -> list[tuple[str, str, icalendar.Event]]:
    """(the method of the part, the method of the file, the event) of each mail's calendar file."""
    found = []
    for letter in peer.letters:
        for part in letter.walk():
            if part.get_content_type() == "text/calendar":
                content = icalendar.Calendar.from_ical(part.get_payload(decode=True))
                assert (part.get_content_charset(), part.get_filename()) == ("utf-8", "appointment.ics")
                [event] = content.events
                found.append((str(part.get_param("method")), str(content["method"]), event))
    return found


def moved(meeting: Appointment) -> Appointment:
    starts_at = STARTS + DAY
    return move_appointment(appointment=meeting, starts_at=starts_at, ends_at=starts_at + HOUR, now=NOW + HOUR)


def test_lead_with_an_address_gets_one_mail_with_the_invitation(peer: SmtpPeer, lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    for _ in range(2):
        tell_leads(clock=at(NOW))
    [letter] = peer.letters
    assert (letter["To"], letter["Subject"]) == ("ana@example.com", "Your appointment on Friday March 6, 2026 at 12:00")
    [(part, method, event)] = invitations(peer)
    assert (part, method, event.start) == ("REQUEST", "REQUEST", STARTS)
    assert (str(event["organizer"]), str(event["attendee"])) == ("mailto:hola@aurora.example", "mailto:ana@example.com")
    body = letter.get_body(("plain",))
    assert body is not None
    assert "Your appointment with Carla of Aurora is booked" in body.get_content()


def test_mail_is_a_message_of_its_own_path(peer: SmtpPeer, lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    tell_leads(clock=at(NOW))
    message = Message.objects.get()
    assert (message.dedupe_key, message.channel, message.purpose, message.status) == (
        f"appointment:{meeting.pk}:booked:0:1",
        "email",
        "transactional",
        "sent",
    )
    assert (message.sandbox, message.address, message.basis["appointment"]) == (False, "ana@example.com", meeting.pk)


def test_moved_and_called_off_meeting_changes_what_is_in_the_calendar(peer: SmtpPeer, lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    tell_leads(clock=at(NOW))
    moved(meeting)
    tell_leads(clock=at(NOW + HOUR))
    cancel_appointment(appointment=meeting, now=NOW + 2 * HOUR)
    tell_leads(clock=at(NOW + 2 * HOUR))
    found = invitations(peer)
    assert [(part, method) for part, method, _event in found] == [
        ("REQUEST", "REQUEST"),
        ("REQUEST", "REQUEST"),
        ("CANCEL", "CANCEL"),
    ]
    assert len({str(event["uid"]) for _part, _method, event in found}) == 1
    assert [int(event["sequence"]) for _part, _method, event in found] == [0, 1, 2]
    assert [event.start for _part, _method, event in found] == [STARTS, STARTS + DAY, STARTS + DAY]


def test_reminder_by_mail_has_no_file(peer: SmtpPeer, lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    for moment in (NOW, STARTS - DAY, STARTS - HOUR):
        tell_leads(clock=at(moment))
    assert (len(peer.letters), len(invitations(peer))) == (3, 1)


def test_who_is_told_over_another_channel_gets_the_invitation_beside_it(broker: Broker, lead: Lead) -> None:
    """Everything on the sandbox, where the phone is the lead's channel."""
    meeting = book(lead, NOW, starts_at=STARTS)
    tell_leads(clock=at(NOW))
    cancel_appointment(appointment=meeting, now=NOW)
    tell_leads(clock=at(NOW))
    rows = Message.objects.order_by("id").values_list("dedupe_key", "channel")
    sent = [(key.split(":")[2], channel) for key, channel in rows]
    assert sent == [("booked", "whatsapp"), ("invitation", "email"), ("cancelled", "whatsapp"), ("withdrawal", "email")]


def test_played_conversation_stays_on_the_sandbox(broker: Broker, lead: Lead, peer: SmtpPeer) -> None:
    """All that was said to this lead was played there; nothing real may follow from it."""
    account = ChannelAccount.objects.get(broker=broker, channel="telegram")
    Message.objects.create(
        broker=broker,
        lead=lead,
        channel="telegram",
        direction="out",
        account=account,
        status="delivered",
        sandbox=True,
        sent_at=NOW,
        delivered_at=NOW,
        dedupe_key="step:1:1:1",
        created_at=NOW,
    )
    book(lead, NOW, starts_at=STARTS)
    tell_leads(clock=at(NOW))
    assert peer.letters == []
    assert set(Message.objects.filter(dedupe_key__startswith="appointment").values_list("sandbox", "channel")) == {
        (True, "telegram"),
        (True, "email"),
    }


def test_mail_service_gets_the_file_with_its_method() -> None:
    file = Attachment("appointment.ics", "calendar", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", (("method", "REQUEST"),))
    envelope: dict[str, Any] = {"message_id": 12, "key": "k", "channel": "email", "address": "ana@example.com"}
    with mail_peer() as peer:
        account = ChannelAccount(
            channel="email",
            provider="anymail",
            service="postmark",
            sender="hola@aurora.example",
            credentials={"server_token": TOKEN, "message_stream": "outbound", "api_url": peer.web.url},
        )
        outcome = Anymail(account).send(
            Envelope(subject="s", body="b", purpose="transactional", attachments=(file,), **envelope)
        )
        [attached] = peer.letters[outcome.provider_id]["Attachments"]
    assert attached["Name"] == "appointment.ics"
    assert 'method="REQUEST"' in attached["ContentType"]
