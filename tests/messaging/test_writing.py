"""What a person may write to a lead, and what is kept of it: failures.md row 19, the only way to a provider."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.utils import translation

from brokers.models import Broker, Platform, User
from brokers.refusal import Refused
from leads.actions import delete_lead, edit_lead, record_permission
from leads.models import Appointment, Lead
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from tests.building import DAY, HOUR, NOW, a_broker, a_lead, a_template, a_user, book, counting_account, now_of, reply
from tests.messaging.writing import MORNING, NIGHT, boss, everything, write, wrote
from tests.peers.counting import PROVIDER, sends

pytestmark = pytest.mark.django_db
MINUTE = HOUR / 60


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker)


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    return tmp_path / "sends"


def opt_out(lead: Lead, at: datetime, **how: Any) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", now=at, source="form", **how)


def on_hold(lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, treatment_type="hold")


def refused(lead: Lead, **wish: Any) -> tuple[str, str]:
    """Why it was refused, in a word and in a sentence; nothing may have changed."""
    boss(lead.broker)
    before = everything()
    with pytest.raises(Refused) as said:
        write(lead, **wish)
    assert everything() == before
    return said.value.reason, str(said.value)


def test_message_is_sent_and_kept_with_who_wrote_it(broker: Broker, lead: Lead, sent_file: Path) -> None:
    account = counting_account(broker, sent_file)
    jefa = boss(broker)
    message = write(lead, text="  ¿Le acomoda el jueves?\n")
    assert (message.status, message.sent_by, message.account, message.sandbox) == ("sent", jefa, account, False)
    assert (message.body, message.address, message.lead) == ("¿Le acomoda el jueves?", lead.telegram_chat_id, lead)
    assert (message.created_at, message.sending_at, message.sent_at) == (NOW, NOW, NOW)
    assert [(send.key, send.word) for send in sends(sent_file)] == [(message.dedupe_key, "accept")]


def test_message_on_the_sandbox_reaches_nobody(lead: Lead) -> None:
    message = write(lead)
    assert (message.sandbox, message.status, message.account.provider) == (True, "delivered", "sandbox")


def test_first_words_to_a_lead_are_marketing_within_hours(lead: Lead) -> None:
    message = write(lead)
    assert message.purpose == "marketing"
    assert {"address", "permission", "treatment", "window", "law", "rules"} == set(message.basis)


@pytest.mark.parametrize("ago", [MINUTE, 24 * HOUR])
def test_answer_is_bound_by_address_and_opt_out_only(lead: Lead, ago: Any) -> None:
    """Within 24 hours, at night, on hold, contacted often enough: it is what they asked for."""
    on_hold(lead)
    wrote(lead, NIGHT - ago)
    message = write(lead, at=NIGHT)
    assert (message.status, message.purpose) == ("delivered", "transactional")
    assert message.basis["answer"] == {"to": (NIGHT - ago).isoformat()}
    assert {"window", "treatment", "override", "law"} & set(message.basis) == set()


def test_after_24_hours_it_is_no_answer(lead: Lead) -> None:
    wrote(lead, NIGHT - DAY - MINUTE)
    reason, says = refused(lead, at=NIGHT)
    assert reason == "outside_hours"
    assert "Say why it cannot wait" in says
    assert "03/05/2026 9 a.m. (America/Santiago)" in says


def test_answer_goes_over_any_channel(lead: Lead) -> None:
    """They wrote over Telegram; the answer with its documents is a mail."""
    wrote(lead, NIGHT - HOUR)
    message = write(lead, at=NIGHT, channel="email", subject="Los planos")
    assert (message.channel, message.subject, message.status) == ("email", "Los planos", "delivered")


def test_what_was_played_on_the_sandbox_is_answered_there_only(broker: Broker, lead: Lead, sent_file: Path) -> None:
    wrote(lead, NIGHT - HOUR)
    counting_account(broker, sent_file)
    assert refused(lead, at=NIGHT)[0] == "outside_hours"
    wrote(lead, NIGHT - 2 * HOUR)
    assert write(lead, at=NIGHT).basis["answer"] == {"to": (NIGHT - 2 * HOUR).isoformat()}


@pytest.mark.parametrize("override", ["", "Me lo pidió por teléfono"])
@pytest.mark.parametrize("said_before", [False, True])
def test_opt_out_binds_whatever_the_reason(lead: Lead, override: str, said_before: bool) -> None:
    """failures.md row 19."""
    if said_before:
        wrote(lead, NOW - HOUR)
    opt_out(lead, NOW - MINUTE)
    reason, says = refused(lead, override=override)
    assert (reason, "only the lead can give permission again" in says) == ("opted_out", True)


def test_opt_out_of_the_address_binds(lead: Lead) -> None:
    """Somebody opted out, was deleted, and came again."""
    record_permission(
        broker=lead.broker, address=lead.telegram_chat_id, kind="revoked", now=NOW - DAY, source="keyword"
    )
    assert refused(lead, override="why not")[0] == "opted_out"


def test_opt_out_in_the_last_message_is_not_answered(lead: Lead) -> None:
    """They wrote STOP: nobody asks back."""
    wrote(lead, NOW - HOUR, body="STOP")
    opt_out(lead, NOW - HOUR)
    assert refused(lead)[0] == "opted_out"


def test_question_after_an_opt_out_of_marketing_is_answered(lead: Lead) -> None:
    """An answer is as transactional as a confirmation; but who wants nothing at all gets nothing."""
    opt_out(lead, NOW - DAY)
    wrote(lead, NOW - HOUR)
    assert write(lead).status == "delivered"
    opt_out(lead, NOW - DAY, purpose="all")
    assert refused(lead)[0] == "opted_out"


def test_reason_overrides_the_hours_and_is_kept(lead: Lead) -> None:
    jefa = boss(lead.broker)
    message = write(lead, at=NIGHT, override=" Firma mañana a las 8 ")
    assert message.basis["override"] == {"reason": "Firma mañana a las 8", "by": jefa.pk, "name": str(jefa)}
    assert message.basis["window"]["opens_at"] == MORNING


def test_reason_that_was_not_needed_is_not_kept(lead: Lead) -> None:
    assert "override" not in write(lead, override="por si acaso").basis


def test_blank_reason_is_none(lead: Lead) -> None:
    assert refused(lead, at=NIGHT, override="   ")[0] == "outside_hours"


def test_window_that_never_opens_asks_for_a_reason_too(broker: Broker, lead: Lead) -> None:
    Broker.objects.update(contact_window={})
    assert refused(lead)[0] == "window_never_opens"
    assert write(lead, override="Me espera").basis["override"]["reason"] == "Me espera"


def test_lead_on_hold_is_not_written_to_first(lead: Lead) -> None:
    """Nobody contacts them; who means to changes the treatment, which is kept with the lead."""
    on_hold(lead)
    reason, says = refused(lead, override="sé lo que hago")
    assert (reason, "Change the treatment" in says) == ("hold", True)


def test_caps_of_the_brokerage_bind_no_person(lead: Lead) -> None:
    Broker.objects.update(cap_24h=0, cap_7d=0)
    assert [write(lead).status, write(lead).status] == ["delivered", "delivered"]


IN_THE_WAY: dict[str, Any] = {
    "no_address": lambda lead: edit_lead(lead=lead, now=NOW, by=None, telegram_chat_id=""),
    "address_invalid": lambda lead: Lead.objects.update(telegram_chat_id="@ana"),
    "unreachable": lambda lead: Lead.objects.update(unreachable={"telegram": "invalid_address"}),
    "lead_unknown": lambda lead: delete_lead(lead=lead, now=NOW),
    "no_account": lambda lead: ChannelAccount.objects.filter(channel="telegram").update(is_active=False),
    "broker_inactive": lambda lead: Broker.objects.update(is_active=False),
    "sending_stopped": lambda lead: Broker.objects.update(sending_paused_at=NOW),
    "platform_stopped": lambda lead: Platform.objects.create(pk=1, sending_paused_at=NOW),
}


@pytest.mark.parametrize("is_answer", [False, True])
@pytest.mark.parametrize("reason", IN_THE_WAY)
def test_what_stands_in_the_way_of_everybody_stands_in_a_persons(lead: Lead, reason: str, is_answer: bool) -> None:
    if is_answer:
        wrote(lead, NOW - HOUR)
    IN_THE_WAY[reason](lead)
    assert refused(lead, override="why not")[0] == reason.replace("platform_stopped", "sending_stopped")


@pytest.mark.parametrize(
    ("reason", "wish"),
    [
        ("empty", {"text": " \n"}),
        ("subject_missing", {"channel": "email", "subject": "  "}),
        ("channel_unknown", {"channel": "call"}),
        ("channel_unknown", {"channel": "pigeon"}),
    ],
)
def test_what_makes_no_message_is_refused(lead: Lead, reason: str, wish: dict[str, Any]) -> None:
    assert refused(lead, **wish)[0] == reason


# Who may write to whom.


def test_agent_writes_to_their_own_leads_only(broker: Broker) -> None:
    carla, diego = a_user(broker, "carla"), a_user(broker, "diego")
    lead = a_lead(broker, assigned_to=carla)
    assert write(lead, by=carla).sent_by == carla
    assert refused(lead, by=diego)[0] == "lead_unknown"


def test_nobody_writes_to_a_lead_of_another_brokerage(lead: Lead) -> None:
    outsider = boss(a_broker("boreal"))
    assert refused(lead, by=outsider)[0] == "lead_unknown"


def test_operator_writes_to_every_lead(lead: Lead) -> None:
    operator = User.objects.create_superuser("operator")
    assert write(lead, by=operator).sent_by == operator


def test_who_was_switched_off_writes_to_nobody(lead: Lead) -> None:
    assert refused(lead, by=a_user(lead.broker, "ida", role="admin", is_active=False))[0] == "lead_unknown"


# Templates.


def test_template_is_filled_in_for_the_lead_in_their_language(broker: Broker) -> None:
    lead = a_lead(broker, name="Ana Pérez", language="en")
    spanish = a_template(broker, "Hola {{first_name}}", name="saludo")
    english = a_template(broker, "Hello {{first_name}}", name="saludo", language="en")
    message = write(lead, template=spanish)
    assert (message.body, message.template, message.purpose) == ("Hello Ana", english, "marketing")


def test_templates_own_subject_stands_before_that_of_the_form(broker: Broker, lead: Lead) -> None:
    template = a_template(broker, channel="email", subject="Hola {{first_name}}")
    assert write(lead, channel="email", subject="Re: otra cosa", template=template).subject == "Hola Ana"


def test_template_with_a_hole_is_not_sent(broker: Broker, lead: Lead) -> None:
    reason, says = refused(lead, template=a_template(broker, "Su presupuesto es {{budget}}"))
    assert (reason, "budget" in says) == ("missing_variable:budget", True)


def test_template_about_the_appointment_is_transactional(broker: Broker, lead: Lead) -> None:
    """To who has one: it passes an opt-out of marketing."""
    reminder = a_template(broker, "Nos vemos el {{appointment_date|jueves}}", purpose="transactional")
    opt_out(lead, NOW - HOUR)
    assert refused(lead, template=reminder)[0] == "opted_out"
    Lead.objects.update(assigned_to=a_user(broker))
    book(now_of(lead), NOW)
    assert (write(lead, template=reminder).purpose, refused(lead)[0]) == ("transactional", "opted_out")


def test_template_that_invites_has_a_link_of_its_own(broker: Broker) -> None:
    lead = a_lead(broker, assigned_to=a_user(broker))
    message = write(lead, template=a_template(broker, "Elija: {{booking_link}}"))
    assert message.body == f"Elija: http://localhost:8000/book/{Appointment.objects.get(lead=lead).token}/"


@pytest.mark.parametrize("fields", [{"channel": "email", "subject": "x"}, {"broker": True}, {"is_active": False}])
def test_template_that_is_not_for_this_is_refused(broker: Broker, lead: Lead, fields: dict[str, Any]) -> None:
    owner = a_broker("boreal") if fields.pop("broker", None) else broker
    template = a_template(owner, **fields)
    reason = "template_inactive" if fields.get("is_active") is False else "template_other"
    assert refused(lead, template=template)[0] == reason


def test_either_own_words_or_a_template(broker: Broker, lead: Lead) -> None:
    assert refused(lead, text="y esto", template=a_template(broker))[0] == "either"


# The account.


def test_answer_goes_from_the_account_that_they_wrote_to(broker: Broker, lead: Lead, sent_file: Path) -> None:
    counting_account(broker, sent_file)
    second = counting_account(broker, sent_file, is_default=False)
    wrote(lead, NOW - HOUR, account=second)
    assert write(lead).account == second
    ChannelAccount.objects.filter(pk=second.pk).update(is_active=False)
    assert write(lead).account.is_default is True


def test_message_takes_a_slot_of_its_account(broker: Broker, lead: Lead, sent_file: Path) -> None:
    """A campaign has just taken the second's worth: a person waits for the next slot, not for its end."""
    account = counting_account(broker, sent_file, rate=Decimal(10), next_slot_at=NOW + 1.5 * MINUTE / 60)
    clock = VirtualClock(NOW)
    assert write(lead, clock=clock).status == "sent"
    account.refresh_from_db()
    assert (clock.now(), account.next_slot_at) == (NOW + 1.5 * MINUTE / 60, NOW + 1.6 * MINUTE / 60)


def test_account_whose_provider_asked_for_a_pause_sends_nothing(broker: Broker, lead: Lead, sent_file: Path) -> None:
    counting_account(broker, sent_file, next_slot_at=NOW + MINUTE)
    reason, says = refused(lead)
    assert (reason, "Try again then." in says, sends(sent_file)) == ("paced", True, [])


# Once.


def test_same_form_sends_once(broker: Broker, lead: Lead, sent_file: Path) -> None:
    """failures.md row 1: who presses twice gets the first message back."""
    counting_account(broker, sent_file)
    form_id = uuid4()
    first = write(lead, form_id=form_id)
    assert write(lead, form_id=form_id, at=NOW + HOUR) == first
    assert (len(sends(sent_file)), Message.objects.count()) == (1, 1)


def test_other_words_from_the_same_form_are_another_message(lead: Lead) -> None:
    form_id = uuid4()
    assert write(lead, form_id=form_id) != write(lead, form_id=form_id, text="Y otra cosa")


def test_last_inbound_of_the_lead_is_what_is_answered(lead: Lead) -> None:
    """Also where no message of theirs is kept: an integration told of it."""
    reply(lead, NIGHT - HOUR)
    assert write(lead, at=NIGHT).basis["answer"] == {"to": (NIGHT - HOUR).isoformat()}
