"""Campaigns over WhatsApp: own words in a conversation, an approved template outside, another way where neither goes.

Against a real HTTP server that speaks Twilio's REST API.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from campaigns.actions.unknowns import send_again
from leads.models import Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from messaging.policy import WHATSAPP_WINDOW
from messaging.twilio import REST
from tests.building import (
    CONTENT_SID,
    DAY,
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_template,
    broken,
    counting_account,
    enroll,
    log_of,
    logs,
    message_step,
    run,
)
from tests.peers.counting import sends
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, TwilioPeer, twilio_peer

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
US_PHONE = "+12025550123"


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TwilioPeer]:
    with twilio_peer() as peer:
        settings.TWILIO_API_URL = peer.url
        yield peer


@pytest.fixture
def account(broker: Broker, peer: TwilioPeer) -> ChannelAccount:
    return an_account(broker)


def an_account(broker: Broker) -> ChannelAccount:
    """The brokerage's WhatsApp, in earnest."""
    ChannelAccount.objects.filter(broker=broker, channel="whatsapp").update(is_default=False)
    return ChannelAccount.objects.create(
        broker=broker,
        channel="whatsapp",
        provider="twilio_whatsapp",
        is_default=True,
        sender="+14155238886",
        credentials={"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        created_at=NOW,
    )


def wrote(lead: Lead, account: ChannelAccount, *, before: timedelta) -> None:
    """The lead wrote that long ago."""
    event = Event(event_id=f"in-{lead.pk}", kind="inbound", address=lead.phone, text="Hola")
    receive_event(account=account, event=event, payload={}, now=NOW - before)


def texts(broker: Broker, *, content_sid: str = CONTENT_SID) -> dict[str, Any]:
    template = a_template(
        broker, "Hola {{first_name|amigo}}, {{budget|lindo}}", channel="whatsapp", provider_template_id=content_sid
    )
    return message_step(broker, channel="whatsapp", message_template=template)


def contents(peer: TwilioPeer) -> list[str]:
    """What of each message was ours to choose: the text, or the template's variables."""
    return [form.get("Body") or form["ContentVariables"] for form in peer.messages.values()]


@pytest.mark.parametrize(
    ("before", "is_open"), [(HOUR, True), (WHATSAPP_WINDOW - SECOND, True), (WHATSAPP_WINDOW, False), (DAY, False)]
)
def test_own_words_go_out_within_a_day_of_the_leads_last_message(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, before: timedelta, is_open: bool
) -> None:
    lead = a_lead(broker, name="Ana Pérez")
    wrote(lead, account, before=before)
    enroll(a_campaign(broker, texts(broker), channel="whatsapp"), lead)
    run(VirtualClock(NOW))
    variables = json.dumps({"1": "Ana", "2": "lindo"})
    assert contents(peer) == ["Hola Ana, lindo" if is_open else variables]
    assert Message.objects.get(direction="out").body == "Hola Ana, lindo"
    assert (logs(), broken()) == ([(1, "sent", "")], {})


def test_conversation_with_another_number_opens_no_window(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer
) -> None:
    lead = a_lead(broker)
    wrote(lead, an_account(broker), before=HOUR)
    account.is_default = True
    ChannelAccount.objects.exclude(pk=account.pk).filter(channel="whatsapp").update(is_default=False)
    account.save()
    enroll(a_campaign(broker, texts(broker, content_sid=""), channel="whatsapp"), lead)
    run(VirtualClock(NOW))
    assert (logs(), peer.requests) == ([(1, "skipped", "needs_template")], [])


NOT_TAKEN = pytest.mark.parametrize(
    ("phone", "content_sid", "reason"),
    [("+56987654321", "", "needs_template"), (US_PHONE, CONTENT_SID, "us_marketing")],
)


@NOT_TAKEN
def test_what_whatsapp_does_not_take_is_skipped(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, phone: str, content_sid: str, reason: str
) -> None:
    lead = a_lead(broker, phone=phone)
    enroll(a_campaign(broker, texts(broker, content_sid=content_sid), channel="whatsapp"), lead)
    run(VirtualClock(NOW))
    assert (logs(), peer.requests) == ([(1, "skipped", reason)], [])
    assert log_of(lead).response["checks"][-1]["check"] == "whatsapp"


@NOT_TAKEN
def test_what_whatsapp_does_not_take_goes_by_the_steps_other_channel(
    broker: Broker,
    account: ChannelAccount,
    peer: TwilioPeer,
    sent_file: Path,
    phone: str,
    content_sid: str,
    reason: str,
) -> None:
    lead = a_lead(broker, phone=phone)
    counting_account(broker, sent_file)
    spec = texts(broker, content_sid=content_sid)
    spec |= {"fallback_channel": "telegram", "fallback_template": a_template(broker, "por Telegram")}
    enroll(a_campaign(broker, spec, channel="whatsapp"), lead)
    run(VirtualClock(NOW))
    assert (logs(), peer.requests) == ([(1, "sent", "")], [])
    assert [send.address for send in sends(sent_file)] == [lead.telegram_chat_id]
    assert Message.objects.get().body == "por Telegram"


def test_approved_template_is_not_needed_on_the_sandbox(broker: Broker, clock: VirtualClock) -> None:
    enroll(a_campaign(broker, texts(broker, content_sid=""), channel="whatsapp"), a_lead(broker))
    run(clock)
    assert logs() == [(1, "sent", "")]


def test_lead_whom_whatsapp_spares_is_tried_again_after_days(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, clock: VirtualClock
) -> None:
    """Nobody else waits for them."""
    spared, other = a_lead(broker), a_lead(broker)
    peer.script[spared.phone] = ["63049", "accept"]
    enroll(a_campaign(broker, texts(broker), channel="whatsapp"), spared, other)
    run(clock)
    log = log_of(spared)
    assert (log.status, log.reason, log.due_at) == ("pending", "marketing_limit", NOW + timedelta(seconds=REST))
    assert log_of(other).status == "sent"
    account.refresh_from_db()
    assert account.next_slot_at is None
    clock.advance(timedelta(seconds=REST))
    run(clock)
    assert (log_of(spared).status, broken()) == ("sent", {})


@pytest.mark.parametrize("word", ["accept_then_500", "accept_then_cut", "no_json"])
def test_message_that_may_have_gone_out_is_not_sent_again(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, clock: VirtualClock, word: str
) -> None:
    """failures.md row 4."""
    peer.otherwise = word
    enroll(a_campaign(broker, texts(broker), channel="whatsapp"), a_lead(broker))
    run(clock, passes=5, every=DAY)
    assert (logs(), len(peer.requests), broken()) == ([(1, "failed", "outcome_unknown")], 1, {})


def test_what_a_person_has_sent_again_is_the_template_with_its_variables(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, clock: VirtualClock
) -> None:
    lead = a_lead(broker, name="Ana Pérez")
    peer.script[lead.phone] = ["20500", "accept"]
    enroll(a_campaign(broker, texts(broker), channel="whatsapp"), lead)
    run(clock)
    send_again(log=log_of(lead), clock=clock)
    assert (contents(peer), logs()) == ([json.dumps({"1": "Ana", "2": "lindo"})], [(1, "sent", "")])


def test_conversations_are_looked_up_once_a_batch_and_for_whatsapp_only(
    broker: Broker, account: ChannelAccount, peer: TwilioPeer, clock: VirtualClock
) -> None:
    for channel in ("telegram", "whatsapp"):
        people = [a_lead(broker) for _ in range(3)]
        enroll(a_campaign(broker, message_step(broker, channel=channel), channel=channel), *people)
        with CaptureQueriesContext(connection) as queries:
            run(clock)
        asked = [query["sql"] for query in queries if "DISTINCT lead_id, account_id" in query["sql"]]
        assert len(asked) == (channel == "whatsapp")
