"""E-mail to a real HTTP server that speaks Postmark's API, through django-anymail."""

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.utils import translation

from messaging.base import Envelope, OutcomeKind
from messaging.mail_services import LOOK_AGAIN_AFTER, Brevo, Mailgun, MailService, Postmark, SparkPost
from messaging.models import ChannelAccount
from messaging.providers import adapter_class
from tests.peers.mail_service import TOKEN, PostmarkPeer, postmark_peer

MakeEnvelope = Callable[..., Envelope]
URL = "https://crm.example.com/u/x/"
ACCEPTED, LATER = OutcomeKind.ACCEPTED, OutcomeKind.REFUSED_FOR_NOW
NEVER, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


class Hasty(Postmark):
    """Waits for answers for a moment only."""

    waits = (5.0, 0.2)


@pytest.fixture
def peer() -> Iterator[PostmarkPeer]:
    with postmark_peer() as peer:
        yield peer


@pytest.fixture
def account(peer: PostmarkPeer) -> ChannelAccount:
    return an_account(server_token=TOKEN, message_stream="broadcast", api_url=peer.web.url)


def an_account(sender: str = "hola@aurora.example", **credentials: str) -> ChannelAccount:
    return ChannelAccount(
        channel="email", provider="postmark", name='Aurora "Ñuñoa"', sender=sender, credentials=credentials
    )


def test_mail_arrives_as_it_was_composed(account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope) -> None:
    outcome = Postmark(account).send(envelope(body="Hola\n\n✓", unsubscribe_url=URL))
    assert (outcome.kind, outcome.delivered) == (ACCEPTED, False)
    letter = peer.letters[outcome.provider_id]
    assert letter["From"] == '"Aurora \\"Ñuñoa\\"" <hola@aurora.example>'
    assert (letter["To"], letter["Subject"]) == ("ana@example.com", "Su visita")
    assert letter["TextBody"].startswith("Hola\n\n✓")
    assert URL in letter["TextBody"]
    assert '<html lang="es">' in letter["HtmlBody"]
    assert letter["MessageStream"] == "broadcast"
    assert letter["Metadata"] == {"embudo_message": "12"}
    assert {header["Name"]: header["Value"] for header in letter["Headers"]} == {
        "Message-ID": "<embudo-12.step-3-1-1@aurora.example>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{URL}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-PM-KeepID": "true",
    }


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("invalid", NEVER, "invalid_address"),
        ("inactive", NEVER, "rejected"),
        ("wrong_sender", NEVER, "http_422"),
        ("too_large", NEVER, "http_413"),
        ("unpaid", LATER, "not_configured"),
        ("moved", LATER, "not_configured"),
        ("broken", UNKNOWN, "http_503"),
        ("no_json", UNKNOWN, "reply_unknown"),
        ("no_id", UNKNOWN, "reply_unknown"),
        ("for_nobody", UNKNOWN, "reply_unknown"),
        ("accept_then_silence", UNKNOWN, "timeout"),
        ("accept_then_cut", UNKNOWN, "connection_lost"),
    ],
)
def test_every_answer_has_one_meaning(
    account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope, word: str, kind: OutcomeKind, code: str
) -> None:
    """failures.md row 4 and row 18: what may have happened is unknown, what never will is not tried again."""
    peer.word = word
    outcome = Hasty(account).send(envelope())
    assert (outcome.kind, outcome.code) == (kind, code)
    assert outcome.retry_after == (LOOK_AGAIN_AFTER if code == "not_configured" else None)
    assert peer.asked == 1


def test_too_many_mails_make_the_account_pause(
    account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope
) -> None:
    peer.word = "too_many"
    outcome = Postmark(account).send(envelope())
    assert (outcome.kind, outcome.code, outcome.retry_after) == (LATER, "too_many", 7.0)


def test_nobody_listening_is_tried_again(envelope: MakeEnvelope) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        outcome = Postmark(an_account(server_token=TOKEN, api_url=url)).send(envelope())
    assert (outcome.kind, outcome.code) == (LATER, "connection_lost")


def test_wrong_token_is_the_accounts_fault(peer: PostmarkPeer, envelope: MakeEnvelope) -> None:
    outcome = Postmark(an_account(server_token="other", api_url=peer.web.url)).send(envelope())
    assert (outcome.kind, outcome.code) == (LATER, "not_configured")


@pytest.mark.parametrize("word", ["accept", "says_the_token", "broken", "accept_then_silence", "no_json"])
def test_token_is_in_no_log_and_no_error(
    account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    caplog.set_level(logging.DEBUG)
    peer.word = word
    assert TOKEN not in repr(Hasty(account).send(envelope()))
    assert TOKEN not in caplog.text


def test_a_thread_sends_over_one_connection(
    account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope
) -> None:
    adapter = Postmark(account)
    with ThreadPoolExecutor(1) as thread:
        kinds = [thread.submit(adapter.send, envelope(message_id=number)).result().kind for number in range(4)]
    assert (kinds, peer.web.connections) == ([ACCEPTED] * 4, 1)


@pytest.mark.parametrize("address", ["", "ana", "ana@example.com\r\nBcc: evil@example.com", "a@b.example, c@d.example"])
def test_what_is_no_address_asks_nobody(
    account: ChannelAccount, peer: PostmarkPeer, envelope: MakeEnvelope, address: str
) -> None:
    outcome = Postmark(account).send(envelope(address=address))
    assert (outcome.kind, outcome.code, peer.asked) == (NEVER, "invalid_address", 0)


@pytest.mark.parametrize("service", [Postmark, Mailgun, Brevo, SparkPost])
def test_account_that_lacks_something_says_what(service: type[MailService], envelope: MakeEnvelope) -> None:
    needed = [credential.name for credential in service.credentials if credential.is_required]
    adapter = service(an_account(sender="nobody"))
    with translation.override("en"):
        assert [fault.split()[0] for fault in adapter.faults()] == [*needed, "sender"]
    assert adapter.send(envelope()).code == "not_configured"


@pytest.mark.parametrize("provider", ["postmark", "mailgun", "brevo", "sparkpost"])
def test_services_are_wired_and_build_their_mails(provider: str, envelope: MakeEnvelope) -> None:
    """Each service's own backend takes what is composed here; nobody listens at the address."""
    service: Any = adapter_class(provider)
    given = {credential.name: "x" for credential in service.credentials if credential.is_required}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        account = an_account(**given, api_url=f"http://127.0.0.1:{free.getsockname()[1]}")
        outcome = service(account).send(envelope(unsubscribe_url=URL))
    assert (outcome.kind, outcome.code) == (LATER, "connection_lost")
