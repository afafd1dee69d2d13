"""WhatsApp messages to a real HTTP server that speaks Twilio's REST API."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import translation

from brokers.refusal import Refused
from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.twilio import LOOK_AGAIN_AFTER, PAUSE, REST, seconds_of
from messaging.twilio_whatsapp import TwilioWhatsapp
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, TwilioPeer, twilio_peer

PHONE, US_PHONE = "+56987654321", "+12025550123"
CONTENT = "HX" + "0f" * 16

ACCEPTED, LATER = OutcomeKind.ACCEPTED, OutcomeKind.REFUSED_FOR_NOW
NEVER, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN
MakeEnvelope = Callable[..., Envelope]


class Hasty(TwilioWhatsapp):
    """Waits for answers for a moment only."""

    waits = {**TwilioWhatsapp.waits, "read": 0.2}


@pytest.fixture
def peer(settings: LazySettings) -> Iterator[TwilioPeer]:
    with twilio_peer() as peer:
        settings.TWILIO_API_URL = peer.url
        yield peer


def an_account(**fields: Any) -> ChannelAccount:
    values = {
        "channel": "whatsapp",
        "provider": "twilio_whatsapp",
        "sender": "+14155238886",
        "webhook_token": "secret-path",
        "credentials": {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
    }
    return ChannelAccount(**values | fields)


@pytest.fixture
def letter(envelope: MakeEnvelope) -> MakeEnvelope:
    def make(**fields: Any) -> Envelope:
        return envelope(**{"channel": "whatsapp", "address": PHONE, "subject": "", "window_open": True} | fields)

    return make


def test_text_goes_out_as_it_is_while_the_window_is_open(
    peer: TwilioPeer, letter: MakeEnvelope, settings: LazySettings
) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    outcome = TwilioWhatsapp(an_account()).send(letter(body="Hola\nÑandú ✓", provider_template_id=CONTENT))
    assert (outcome.kind, outcome.code, outcome.delivered) == (ACCEPTED, "", False)
    assert peer.messages == {
        outcome.provider_id: {
            "From": "whatsapp:+14155238886",
            "To": f"whatsapp:{PHONE}",
            "Body": "Hola\nÑandú ✓",
            "StatusCallback": "https://crm.example.com/webhooks/twilio_whatsapp/secret-path/?message=12",
        }
    }


def test_template_goes_out_with_its_numbered_variables_when_the_window_is_closed(
    peer: TwilioPeer, letter: MakeEnvelope
) -> None:
    said = letter(window_open=False, provider_template_id=CONTENT, variables=("Ana\nd'Ávila", "3.000 UF"))
    outcome = TwilioWhatsapp(an_account()).send(said)
    form = peer.messages[outcome.provider_id]
    assert form["ContentSid"] == CONTENT
    assert json.loads(form["ContentVariables"]) == {"1": "Ana d'Ávila", "2": "3.000 UF"}
    assert "'" not in form["ContentVariables"]
    assert "Body" not in form


@pytest.mark.parametrize("template", ["", "HX12", "welcome"])
def test_closed_window_without_a_template_asks_nobody(peer: TwilioPeer, letter: MakeEnvelope, template: str) -> None:
    outcome = TwilioWhatsapp(an_account()).send(letter(window_open=False, provider_template_id=template))
    assert (outcome.kind, outcome.code) == (NEVER, "needs_template")
    assert peer.requests == []


@pytest.mark.parametrize(
    "address", ["", "56987654321", "+0123", "+5698765432199999", "ana@example.com", "+569 87654321"]
)
def test_what_is_no_number_asks_nobody(peer: TwilioPeer, letter: MakeEnvelope, address: str) -> None:
    outcome = TwilioWhatsapp(an_account()).send(letter(address=address))
    assert (outcome.kind, outcome.code) == (NEVER, "invalid_address")
    assert peer.requests == []


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("21211", NEVER, "invalid_address"),
        ("21614", NEVER, "invalid_address"),
        ("21610", NEVER, "unsubscribed"),
        ("problem", NEVER, "unsubscribed"),
        ("21214", NEVER, "invalid_address"),
        ("21635", NEVER, "invalid_address"),
        ("63003", NEVER, "invalid_address"),
        ("63024", NEVER, "invalid_address"),
        ("accept_as_failed", NEVER, "invalid_address"),
        ("63014", NEVER, "blocked"),
        ("63016", NEVER, "needs_template"),
        ("21617", NEVER, "too_long"),
        ("21618", NEVER, "twilio_21618"),
        ("forbidden", NEVER, "http_403"),
        ("20003", LATER, "not_configured"),
        ("20404", LATER, "not_configured"),
        ("63007", LATER, "not_configured"),
        ("redirect", LATER, "not_configured"),
        ("20500", UNKNOWN, "provider_error"),
        ("accept_then_500", UNKNOWN, "provider_error"),
        ("bad_gateway", UNKNOWN, "provider_error"),
        ("accept_then_silence", UNKNOWN, "timeout"),
        ("accept_then_cut", UNKNOWN, "connection_lost"),
        ("no_json", UNKNOWN, "reply_unknown"),
        ("no_object", UNKNOWN, "reply_unknown"),
        ("no_sid", UNKNOWN, "reply_unknown"),
        ("no_utf8", UNKNOWN, "reply_unknown"),
    ],
)
def test_every_answer_has_one_meaning(
    peer: TwilioPeer, letter: MakeEnvelope, word: str, kind: OutcomeKind, code: str
) -> None:
    """failures.md row 4 and row 18: what may have happened is unknown, what never will is not tried again."""
    peer.otherwise = word
    outcome = Hasty(an_account()).send(letter())
    assert (outcome.kind, outcome.code) == (kind, code)
    pause = LOOK_AGAIN_AFTER if code == "not_configured" else None
    assert (outcome.retry_after, outcome.again_after) == (pause, None)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("word", "pause"), [("20429:3", 3.0), ("20429", PAUSE), ("63018:40", 40.0), ("63018", PAUSE), ("20429:soon", PAUSE)]
)
def test_too_many_messages_make_the_account_pause(
    peer: TwilioPeer, letter: MakeEnvelope, word: str, pause: float
) -> None:
    peer.otherwise = word
    outcome = TwilioWhatsapp(an_account()).send(letter())
    assert (outcome.kind, outcome.code, outcome.retry_after) == (LATER, "too_many", pause)


def test_marketing_that_whatsapp_holds_back_never_reaches_the_united_states(
    peer: TwilioPeer, letter: MakeEnvelope
) -> None:
    peer.otherwise = "63049"
    outcome = TwilioWhatsapp(an_account()).send(letter(address=US_PHONE))
    assert (outcome.kind, outcome.code, outcome.again_after) == (NEVER, "us_marketing", None)


def test_marketing_that_whatsapp_holds_back_elsewhere_leaves_that_lead_alone_for_days(
    peer: TwilioPeer, letter: MakeEnvelope
) -> None:
    peer.otherwise = "63049"
    outcome = TwilioWhatsapp(an_account()).send(letter())
    assert (outcome.kind, outcome.code) == (LATER, "marketing_limit")
    assert (outcome.retry_after, outcome.again_after) == (None, REST)


def test_longest_text_goes_out_and_a_longer_one_asks_nobody(peer: TwilioPeer, letter: MakeEnvelope) -> None:
    adapter = TwilioWhatsapp(an_account())
    outcomes = [adapter.send(letter(body="ñ" * length)) for length in (1600, 1601)]
    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [(ACCEPTED, ""), (NEVER, "too_long")]
    assert len(peer.requests) == 1


def test_nobody_listening_is_tried_again(letter: MakeEnvelope, settings: LazySettings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.TWILIO_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
        outcome = TwilioWhatsapp(an_account()).send(letter())
    assert (outcome.kind, outcome.code) == (LATER, "connection_lost")


def test_wrong_password_is_the_accounts_fault(peer: TwilioPeer, letter: MakeEnvelope) -> None:
    account = an_account(credentials={"account_sid": ACCOUNT_SID, "auth_token": "other"})
    outcome = TwilioWhatsapp(account).send(letter())
    assert (outcome.kind, outcome.code) == (LATER, "not_configured")


def test_api_key_takes_the_place_of_the_auth_token(peer: TwilioPeer, letter: MakeEnvelope) -> None:
    key = {"api_key_sid": "SK" + "1" * 32, "api_key_secret": "key-secret"}
    TwilioWhatsapp(an_account(credentials=an_account().credentials | key)).send(letter())
    assert [request.user for request in peer.requests] == [key["api_key_sid"]]


def test_environment_chooses_neither_account_nor_region(
    peer: TwilioPeer, letter: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TWILIO_REGION", "TWILIO_EDGE", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(name, "elsewhere")
    assert TwilioWhatsapp(an_account()).send(letter()).kind == ACCEPTED


def test_a_thread_sends_over_one_connection(peer: TwilioPeer, letter: MakeEnvelope) -> None:
    adapter = TwilioWhatsapp(an_account())
    with ThreadPoolExecutor(1) as thread:
        outcomes = [thread.submit(adapter.send, letter(message_id=number)).result() for number in range(5)]
    assert [outcome.kind for outcome in outcomes] == [ACCEPTED] * 5
    assert peer.web.connections == 1


@pytest.mark.parametrize(
    "word", ["accept", "says_the_token", "20003", "20500", "accept_then_silence", "accept_then_cut", "no_json"]
)
def test_auth_token_is_in_no_log_and_no_error(
    peer: TwilioPeer, letter: MakeEnvelope, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    caplog.set_level(logging.DEBUG)
    peer.otherwise = word
    adapter = Hasty(an_account())
    assert AUTH_TOKEN not in repr(adapter.send(letter()))
    assert AUTH_TOKEN not in caplog.text
    assert AUTH_TOKEN not in repr(adapter)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, []),
        ({"credentials": {}}, ["account_sid", "auth_token"]),
        ({"credentials": {"account_sid": "SK12", "auth_token": "x"}}, ["account_sid"]),
        ({"credentials": {"account_sid": ACCOUNT_SID, "auth_token": "x", "api_key_sid": "SK1"}}, ["api_key_sid"]),
        ({"sender": ""}, ["sender"]),
        ({"sender": "+0 12"}, ["sender"]),
        ({"sender": "whatsapp:+14155238886"}, []),
    ],
)
def test_faults_name_what_is_missing(fields: dict[str, Any], missing: list[str], letter: MakeEnvelope) -> None:
    adapter = TwilioWhatsapp(an_account(**fields))
    with translation.override("en"):
        assert [fault.split()[0] for fault in adapter.faults()] == missing
    if missing:
        assert adapter.send(letter()).code == "not_configured"


def test_check_says_who_we_are(peer: TwilioPeer) -> None:
    assert "Aurora" in TwilioWhatsapp(an_account()).check()
    assert peer.messages == {}


@pytest.mark.parametrize(("token", "status"), [("other", "active"), (AUTH_TOKEN, "suspended"), ("", "active")])
def test_check_says_what_is_wrong(peer: TwilioPeer, token: str, status: str) -> None:
    peer.account_status = status
    account = an_account(credentials={"account_sid": ACCOUNT_SID, "auth_token": token})
    with pytest.raises(Refused) as refused:
        TwilioWhatsapp(account).check()
    assert refused.value.reason == "not_configured"


def test_connect_says_what_to_set_where() -> None:
    said = TwilioWhatsapp(an_account()).connect("https://crm.example.com/webhooks/twilio_whatsapp/x/")
    assert "https://crm.example.com/webhooks/twilio_whatsapp/x/" in said
    assert "+14155238886" in said


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0)]
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    assert seconds_of(header) == seconds
