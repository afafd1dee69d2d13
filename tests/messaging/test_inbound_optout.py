"""What a lead says about being contacted."""

from collections.abc import Callable
from datetime import datetime

import pytest

from leads.actions import delete_lead
from leads.models import ContactPermission, Lead, Task
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message, WebhookEvent

Sandboxes = Callable[[str], ChannelAccount]
Sent = Callable[..., Message]


@pytest.fixture
def say(sandbox: Sandboxes, lead: Lead, now: datetime) -> Callable[..., None]:
    def receive(text: str, **fields: object) -> None:
        event = Event(event_id=text, kind="inbound", address="4711", text=text, **fields)  # type: ignore[arg-type]
        receive_event(account=sandbox("telegram"), event=event, payload={}, now=now)
        lead.refresh_from_db()

    return receive


def test_keyword_revokes_marketing_on_every_channel(say: Callable[..., None], lead: Lead, now: datetime) -> None:
    """failures.md row 19: it is written down in the transaction in which it was read."""
    say("¡Baja!")
    rows = ContactPermission.objects.order_by("address")
    assert [row.address for row in rows] == ["+56987654321", "4711", "ana@example.com"]
    assert {(row.channel, row.kind, row.purpose, row.source) for row in rows} == {
        ("*", "revoked", "marketing", "keyword")
    }
    assert {(row.wording, row.at, row.lead_id) for row in rows} == {("¡Baja!", now, lead.pk)}
    assert rows[0].evidence == {
        "message": Message.objects.get().pk,
        "channel": "telegram",
        "sandbox": True,
    }
    assert lead.opted_out_at == now
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("No más WhatsApp", [("whatsapp", "+56987654321")]),
        ("stop emails, please", [("email", "ana@example.com")]),
        ("no más llamadas ni correos", [("call", "+56987654321"), ("email", "ana@example.com")]),
        ("baja telegram", [("telegram", "4711")]),
    ],
)
def test_opt_out_that_names_a_channel_holds_for_that_one(
    say: Callable[..., None], lead: Lead, text: str, rows: list[tuple[str, str]]
) -> None:
    say(text)
    found = ContactPermission.objects.order_by("channel")
    assert [(row.channel, row.address) for row in found] == rows
    assert {(row.kind, row.purpose, row.source, row.wording) for row in found} == {
        ("revoked", "marketing", "keyword", text)
    }
    assert lead.opted_out_at is not None
    assert not Task.objects.exists()


def test_opt_out_of_a_channel_on_which_we_know_no_address_is_kept_with_the_one_they_wrote_from(
    say: Callable[..., None], lead: Lead
) -> None:
    Lead.objects.update(phone="")
    say("no más whatsapp")
    row = ContactPermission.objects.get()
    assert (row.channel, row.address, row.lead) == ("whatsapp", "4711", lead)


def test_cancelling_the_call_after_a_message_about_it_means_the_call(
    say: Callable[..., None], lead: Lead, sent: Sent
) -> None:
    sent(purpose="transactional")
    say("Cancelar la llamada")
    assert not ContactPermission.objects.exists()
    assert Task.objects.get().origin == "opt_out"


def test_keyword_is_a_reply_too(say: Callable[..., None], lead: Lead, now: datetime) -> None:
    say("stop")
    assert (lead.inbound_count, lead.last_inbound_at) == (1, now)


def test_score_never_rises_on_the_way_down(say: Callable[..., None], lead: Lead) -> None:
    """A rise in between could let a score campaign take in somebody who just opted out."""
    before = lead.lead_score
    say("stop")
    assert all(change.to_score <= before for change in lead.score_changes.exclude(from_score=None))


def test_ordinary_text_revokes_nothing(say: Callable[..., None], lead: Lead) -> None:
    say("no puedo parar de mirar")
    assert not ContactPermission.objects.exists()
    assert not Task.objects.exists()
    assert lead.opted_out_at is None


def test_what_reads_like_an_opt_out_becomes_a_task(say: Callable[..., None], lead: Lead, now: datetime) -> None:
    say("por favor no me llamen más" + "!" * 400)
    task = Task.objects.get()
    assert (task.assignee, task.due_at, task.origin) == (lead.assigned_to, now, "opt_out")
    assert "no me llamen más" in task.title
    assert not ContactPermission.objects.exists()
    assert lead.next_task_at == now


def test_cancel_after_a_message_about_an_appointment_means_the_appointment(
    say: Callable[..., None], lead: Lead, sent: Sent
) -> None:
    sent(purpose="transactional")
    say("Cancelar")
    assert not ContactPermission.objects.exists()
    assert Task.objects.get().origin == "opt_out"
    assert lead.inbound_count == 1


def test_stop_after_a_message_about_an_appointment_is_an_opt_out(
    say: Callable[..., None], lead: Lead, sent: Sent
) -> None:
    sent(purpose="transactional")
    say("STOP")
    assert lead.opted_out_at is not None


def test_cancel_after_a_campaign_message_is_an_opt_out(say: Callable[..., None], lead: Lead, sent: Sent) -> None:
    sent(purpose="marketing")
    say("cancelar")
    assert lead.opted_out_at is not None


@pytest.mark.parametrize("text", ["Estoy de vacaciones", "stop"])
def test_automatic_reply_is_kept_and_is_no_reply(say: Callable[..., None], lead: Lead, text: str) -> None:
    """failures.md rows 20 and 30: a vacation reply answers nothing and takes nothing back."""
    before = (lead.last_activity_at, lead.lead_score)
    say(text, is_automatic=True)
    message = Message.objects.get()
    assert (message.body, message.status, message.basis) == (text, "received", {"automatic": True})
    assert (lead.inbound_count, lead.last_inbound_at) == (0, None)
    assert (lead.last_activity_at, lead.lead_score) == before
    assert not ContactPermission.objects.exists()


@pytest.mark.parametrize(
    ("headers", "is_automatic"),
    [
        ({"Auto-Submitted": "auto-replied"}, True),
        ({"auto-submitted": "Auto-Generated; owner=x"}, True),
        ({"Auto-Submitted": "no"}, False),
        ({"Precedence": "bulk"}, True),
        ({"Precedence": "auto_reply"}, True),
        ({"Precedence": "first-class"}, False),
        ({"Return-Path": "<>"}, True),
        ({"Return-Path": "<ana@example.com>"}, False),
        ({"X-Autoreply": "yes"}, True),
        ({"List-Id": "<news.example.com>"}, True),
        ({"Subject": "Re: Su visita"}, False),
        ({}, False),
    ],
)
def test_mail_headers_tell_an_automatic_reply(
    say: Callable[..., None], lead: Lead, headers: dict[str, str], is_automatic: bool
) -> None:
    say("Hola", raw={"headers": headers})
    assert lead.inbound_count == int(not is_automatic)


def test_opt_out_of_a_deleted_lead_stays_on_the_suppression_list(
    say: Callable[..., None], lead: Lead, now: datetime
) -> None:
    delete_lead(lead=lead, now=now)
    for _delivery in range(2):
        say("STOP")
    event, row = WebhookEvent.objects.get(), ContactPermission.objects.get()
    assert (event.processed_at, event.error) == (now, "")
    assert (row.broker, row.lead, row.address) == (lead.broker, None, "4711")
    assert (row.channel, row.kind, row.source, row.wording, row.at) == ("*", "revoked", "keyword", "STOP", now)
    assert row.evidence == {"event": event.pk, "channel": "telegram", "sandbox": True}


def test_opt_out_of_a_deleted_lead_may_name_the_channel(say: Callable[..., None], lead: Lead, now: datetime) -> None:
    delete_lead(lead=lead, now=now)
    say("no más llamadas")
    row = ContactPermission.objects.get()
    assert (row.lead, row.address, row.channel) == (None, "4711", "call")


@pytest.mark.parametrize(("text", "fields"), [("Hola", {}), ("stop", {"is_automatic": True})])
def test_nothing_else_of_a_deleted_lead_is_heard(
    say: Callable[..., None], lead: Lead, now: datetime, text: str, fields: dict[str, bool]
) -> None:
    delete_lead(lead=lead, now=now)
    say(text, **fields)
    assert WebhookEvent.objects.get().error.startswith("lead_unknown")
    assert not ContactPermission.objects.exists()
