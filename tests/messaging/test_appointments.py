"""What leads are told of their meetings: by which channel, when, and once."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from brokers.models import Broker, Platform
from leads.actions import (
    cancel_appointment,
    delete_lead,
    edit_lead,
    move_appointment,
    record_inquiry,
    record_permission,
)
from leads.models import Appointment, Lead
from messaging.base import Envelope, Outcome
from messaging.clock import VirtualClock
from messaging.dispatching import SEND_LEASE
from messaging.models import Message
from messaging.outside import carry_on
from messaging.pacing import PACED_FOR
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_lead,
    a_template,
    a_user,
    at,
    book,
    counting_account,
)
from tests.peers.counting import PROVIDER, Counting, sends

pytestmark = pytest.mark.django_db
# Two days later, at noon in Santiago.
STARTS = NOW + 2 * DAY
CHANGED = NOW + 3 * DAY


@pytest.fixture
def broker() -> Broker:
    return a_broker(language="en")


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker, name="Ana", assigned_to=a_user(broker, first_name="Carla"), email="", telegram_chat_id="")


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    return tmp_path / "sends"


def pass_by(*moments: datetime) -> None:
    for moment in moments:
        carry_on(clock=at(moment))


def told(lead: Lead) -> list[tuple[str, str]]:
    """(kind, channel) of all that was sent, in order."""
    rows = Message.objects.filter(lead=lead, direction="out", status__in=("sent", "delivered")).order_by("id")
    return [(key.split(":")[2], channel) for key, channel in rows.values_list("dedupe_key", "channel")]


def marks(meeting: Appointment) -> dict[str, str]:
    """The state of each notice, and why."""
    notices = Appointment.objects.get(pk=meeting.pk).notices
    return {
        key.split(":")[0]: " ".join(filter(None, (said["state"], said.get("reason")))) for key, said in notices.items()
    }


def test_booking_is_confirmed_and_reminded_of_each_once(lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW, STARTS - DAY - HOUR, STARTS - DAY, STARTS - DAY, STARTS - HOUR, STARTS - HOUR, STARTS)
    kinds = [("booked", "whatsapp"), ("reminder_24h", "whatsapp"), ("reminder_1h", "whatsapp")]
    assert told(lead) == kinds
    moments = list(Message.objects.order_by("id").values_list("sent_at", flat=True))
    assert moments == [NOW, STARTS - DAY, STARTS - HOUR]


def test_texts_name_who_when_where_and_the_link(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    Appointment.objects.update(location="Providencia 1234")
    pass_by(NOW)
    message = Message.objects.get()
    assert message.body == (
        "Hello Ana. Your appointment with Carla of Aurora is booked for Friday March 6, 2026 at 12:00 (Santiago time). "
        f"Where: Providencia 1234. To confirm, change or call it off: http://localhost:8000/book/{meeting.token}/"
    )
    assert (message.purpose, message.status, message.sandbox) == ("transactional", "delivered", True)


def test_message_keeps_why_it_was_allowed(lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    basis = Message.objects.get().basis
    assert {"rules", "address", "permission", "treatment", "window", "caps"} <= basis.keys()


def test_contact_is_stamped_and_is_no_sign_of_life(lead: Lead) -> None:
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW + HOUR)
    fresh = Lead.objects.get(pk=lead.pk)
    assert (fresh.last_contacted_at, fresh.last_activity_at) == (NOW + HOUR, NOW)


def test_nothing_is_told_after_it_was_called_off_but_that(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    cancel_appointment(appointment=meeting, now=NOW + HOUR)
    pass_by(NOW + HOUR, NOW + HOUR, STARTS - DAY, STARTS - HOUR, STARTS)
    assert told(lead) == [("booked", "whatsapp"), ("cancelled", "whatsapp")]


def test_moved_meeting_is_reminded_of_at_its_new_time_only(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    move_appointment(appointment=meeting, starts_at=CHANGED, ends_at=CHANGED + HOUR, now=NOW + HOUR)
    pass_by(NOW + HOUR, STARTS - DAY, STARTS - HOUR)
    assert told(lead) == [("booked", "whatsapp"), ("moved", "whatsapp")]
    pass_by(CHANGED - DAY, CHANGED - HOUR)
    assert [kind for kind, _channel in told(lead)] == ["booked", "moved", "reminder_24h", "reminder_1h"]


@pytest.mark.parametrize(
    ("ahead", "kinds"),
    [
        (3 * HOUR, ["booked", "reminder_1h"]),
        (HOUR / 2, ["booked"]),
        (DAY + HOUR, ["booked", "reminder_24h", "reminder_1h"]),
    ],
)
def test_no_reminder_whose_moment_was_before_the_booking(lead: Lead, ahead: timedelta, kinds: list[str]) -> None:
    book(lead, NOW, starts_at=NOW + ahead)
    pass_by(*[NOW + n * HOUR / 4 for n in range(120)])
    assert [kind for kind, _channel in told(lead)] == kinds


def test_engine_that_was_down_reminds_of_what_is_still_ahead(lead: Lead) -> None:
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, STARTS - 2 * HOUR, STARTS + HOUR)
    assert [kind for kind, _channel in told(lead)] == ["booked", "reminder_24h"]
    assert marks(meeting)["reminder_1h"] == "skipped late"


def test_leads_own_channel_is_that_of_their_last_message(broker: Broker, lead: Lead) -> None:
    lead = edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711")
    Message.objects.create(
        broker=broker,
        lead=lead,
        channel="telegram",
        direction="in",
        status="received",
        received_at=NOW,
        dedupe_key="in:1",
        sandbox=True,
        created_at=NOW,
    )
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert told(lead) == [("booked", "telegram")]


def test_channel_that_reaches_nobody_gives_way_to_the_next(broker: Broker, sent_file: Path, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711")
    for channel in ("whatsapp", "telegram"):
        counting_account(broker, sent_file, channel=channel, script={lead.phone: ["invalid"]})
    template = {"purpose": "transactional", "channel": "whatsapp"}
    a_template(broker, "Cita {{appointment_date}}", name="appointment_booked", **template)
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW)
    assert [(send.address, send.word) for send in sends(sent_file)] == [(lead.phone, "invalid"), ("4711", "accept")]
    assert marks(meeting)["booked"] == "sent"


def test_whatsapp_without_a_conversation_needs_a_template(broker: Broker, sent_file: Path, lead: Lead) -> None:
    counting_account(broker, sent_file, channel="whatsapp")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert (sends(sent_file), marks(meeting)["booked"]) == ([], "skipped needs_template")


def test_brokerages_own_template_takes_the_place_of_our_words(broker: Broker, lead: Lead) -> None:
    a_template(
        broker,
        "Nos vemos: {{appointment_time}} {{booking_link}}",
        name="appointment_booked",
        channel="whatsapp",
        purpose="transactional",
    )
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert Message.objects.get().body == f"Nos vemos: 12:00 http://localhost:8000/book/{meeting.token}/"


def test_own_template_speaks_of_the_property_that_the_lead_asked_for_last(broker: Broker, lead: Lead) -> None:
    for hours, ref in enumerate(("12-B", "7-A", "")):
        record_inquiry(lead=lead, now=NOW + hours * HOUR, source="portal", text=str(hours), property_ref=ref)
    words = {"name": "appointment_booked", "channel": "whatsapp", "purpose": "transactional"}
    a_template(broker, "Nos vemos en {{property}}", **words)
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert Message.objects.get().body == "Nos vemos en 7-A"


@pytest.mark.parametrize("fields", [{"is_active": False}, {"purpose": "marketing"}, {"content": "{{budget}}"}])
def test_template_that_does_not_serve_gives_way_to_our_words(
    broker: Broker, lead: Lead, fields: dict[str, object]
) -> None:
    own = {"name": "appointment_booked", "channel": "whatsapp", "purpose": "transactional", "content": "Hola"}
    a_template(broker, **own | fields)  # type: ignore[arg-type]
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert Message.objects.get().body.startswith("Hello Ana. Your appointment")


def test_text_is_in_the_leads_language(lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, language="es")
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert "6 de marzo de 2026" in Message.objects.get().body


def test_who_took_back_every_permission_is_not_told(lead: Lead) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", purpose="all", now=NOW, source="test")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert (told(lead), marks(meeting)["booked"]) == ([], "skipped opted_out")


def test_who_wants_no_marketing_is_told(lead: Lead) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", now=NOW, source="test")
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    assert told(lead) == [("booked", "whatsapp")]


def test_lead_on_hold_and_deleted_lead_are_not_told(broker: Broker, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, treatment_type="hold")
    gone = a_lead(broker, assigned_to=lead.assigned_to, email="")
    meetings = [book(lead, NOW, starts_at=STARTS), book(gone, NOW, starts_at=STARTS + HOUR)]
    delete_lead(lead=gone, now=NOW)
    pass_by(NOW)
    assert [marks(meeting) for meeting in meetings] == [{"booked": "skipped hold"}, {"cancelled": "skipped deleted"}]
    assert (told(lead), told(gone)) == ([], [])


@pytest.mark.parametrize("stopped", ["broker", "inactive", "platform"])
def test_stopped_sending_tells_nobody_and_goes_on_later(broker: Broker, lead: Lead, stopped: str) -> None:
    book(lead, NOW, starts_at=STARTS)
    if stopped == "platform":
        Platform.objects.create(pk=1, sending_paused_at=NOW)
    else:
        changes = {"is_active": False} if stopped == "inactive" else {"sending_paused_at": NOW}
        Broker.objects.update(**changes)
    pass_by(NOW)
    assert told(lead) == []
    Platform.objects.all().delete()
    Broker.objects.update(is_active=True, sending_paused_at=None)
    pass_by(NOW + HOUR)
    assert told(lead) == [("booked", "whatsapp")]


def test_refused_for_now_is_tried_again_under_a_key_of_its_own(broker: Broker, sent_file: Path, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    counting_account(broker, sent_file, script={"4711": ["temporary", "accept"]})
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW, NOW + HOUR)
    assert [send.word for send in sends(sent_file)] == ["temporary", "accept"]
    assert [send.key for send in sends(sent_file)] == [f"appointment:{meeting.pk}:booked:0:{n}" for n in (1, 2)]


def test_trying_again_ends(broker: Broker, sent_file: Path, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    counting_account(broker, sent_file, otherwise="temporary")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(*[NOW + n * HOUR / 2 for n in range(20)])
    assert (len(sends(sent_file)), marks(meeting)["booked"]) == (5, "failed too_many")


def test_unknown_outcome_is_not_sent_again(broker: Broker, sent_file: Path, lead: Lead) -> None:
    """failures.md row 4."""
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    counting_account(broker, sent_file, otherwise="timeout")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW + HOUR, NOW + 2 * HOUR)
    assert (len(sends(sent_file)), Message.objects.get().status) == (1, "unknown")
    assert marks(meeting)["booked"] == "unknown outcome_unknown"


def test_what_a_worker_left_behind_is_unknown_and_not_sent_again(broker: Broker, sent_file: Path, lead: Lead) -> None:
    """failures.md row 2: killed between the commit and the answer."""

    class Killed(BaseException):
        pass

    class Dying(VirtualClock):
        def now(self) -> datetime:
            if Message.objects.exists():
                raise Killed
            return super().now()

    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    counting_account(broker, sent_file)
    meeting = book(lead, NOW, starts_at=STARTS)
    with pytest.raises(Killed):
        carry_on(clock=Dying(NOW))
    assert (Message.objects.get().status, marks(meeting)["booked"]) == ("sending", "sending")
    pass_by(NOW + SEND_LEASE / 2)
    assert marks(meeting)["booked"] == "sending"
    pass_by(NOW + SEND_LEASE, NOW + HOUR)
    assert (Message.objects.get().status, marks(meeting)["booked"]) == ("unknown", "unknown lease_over")
    assert sends(sent_file) == []
    pass_by(STARTS - DAY)
    assert [send.key.split(":")[2] for send in sends(sent_file)] == ["reminder_24h"]


def test_paced_account_tells_by_its_rate(broker: Broker, sent_file: Path, lead: Lead) -> None:
    counting_account(broker, sent_file, rate=1)
    leads = [a_lead(broker, assigned_to=lead.assigned_to, phone="", email="") for _ in range(3)]
    for number, one in enumerate(leads):
        book(one, NOW, starts_at=STARTS + number * HOUR)
    pass_by(NOW)
    assert len(sends(sent_file)) == 1
    pass_by(*[NOW + timedelta(seconds=5 * n) for n in range(1, 4)])
    assert len(sends(sent_file)) == 3


def test_account_for_which_another_process_sends_tells_when_that_is_over(
    broker: Broker, sent_file: Path, lead: Lead
) -> None:
    counting_account(broker, sent_file, rate=1, paced_by=1, paced_until=NOW + PACED_FOR)
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW + PACED_FOR / 2)
    assert (sends(sent_file), marks(meeting)["booked"]) == ([], "waiting paced")
    pass_by(NOW + PACED_FOR)
    assert (len(sends(sent_file)), marks(meeting)["booked"]) == (1, "sent")


class Quick(Counting):
    """The provider's own word about a message comes before its answer, which is lost."""

    def send(self, envelope: Envelope) -> Outcome:
        Message.objects.filter(pk=envelope.message_id).update(status=self.account.name, error_code="spam")
        connection.close()
        return super().send(envelope)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("word", "state"), [("delivered", "sent"), ("failed", "failed spam")])
def test_what_the_provider_told_before_its_answer_stays(
    settings: LazySettings, broker: Broker, sent_file: Path, lead: Lead, word: str, state: str
) -> None:
    settings.PROVIDERS = {**settings.PROVIDERS, "counting": f"{__name__}.Quick"}
    edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id="4711", phone="")
    counting_account(broker, sent_file, name=word, otherwise="temporary")
    meeting = book(lead, NOW, starts_at=STARTS)
    pass_by(NOW, NOW + HOUR)
    assert (len(sends(sent_file)), Message.objects.get().status, marks(meeting)["booked"]) == (1, word, state)


def test_pass_with_nothing_to_tell_asks_once(lead: Lead, django_assert_num_queries: pytest.FixtureRequest) -> None:
    book(lead, NOW, starts_at=STARTS)
    pass_by(NOW)
    with django_assert_num_queries(1):
        pass_by(NOW)
