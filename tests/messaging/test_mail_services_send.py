"""E-mail to a real HTTP server that speaks the API of each mail service, through django-anymail."""

import json
import logging
import pkgutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anymail.backends
import pytest
from django.utils import translation

from messaging.base import Envelope, OutcomeKind
from messaging.mail_services import LOOK_AGAIN_AFTER, Anymail
from messaging.mail_table import SERVICES
from messaging.models import ChannelAccount
from messaging.providers import adapter_class
from tests.peers.mail_service import ACCEPTED as ANSWERS
from tests.peers.mail_service import TOKEN, MailPeer, mail_peer

MakeEnvelope = Callable[..., Envelope]
URL = "https://crm.example.com/u/x/"
ACCEPTED, LATER = OutcomeKind.ACCEPTED, OutcomeKind.REFUSED_FOR_NOW
NEVER, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


class Hasty(Anymail):
    """Waits for answers for a moment only."""

    waits = (5.0, 0.2)


@pytest.fixture
def peer() -> Iterator[MailPeer]:
    with mail_peer() as peer:
        yield peer


@pytest.fixture
def account(peer: MailPeer) -> ChannelAccount:
    return an_account(server_token=TOKEN, message_stream="broadcast", api_url=peer.web.url)


def an_account(sender: str = "hola@aurora.example", service: str = "postmark", **credentials: str) -> ChannelAccount:
    told: dict[str, Any] = {"sender": sender, "service": service, "credentials": credentials}
    return ChannelAccount(channel="email", provider="anymail", name='Aurora "Ñuñoa"', **told)


def account_at(service: str, peer: MailPeer, **credentials: str) -> ChannelAccount:
    """With everything that the service needs."""
    needed = {credential.name: TOKEN for credential in SERVICES[service].credentials if credential.is_required}
    return an_account(service=service, **needed | {"api_url": peer.web.url} | credentials)


def test_mail_arrives_as_it_was_composed(account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope) -> None:
    outcome = Anymail(account).send(envelope(body="Hola\n\n✓", unsubscribe_url=URL))
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
        ("http_413", NEVER, "http_413"),
        ("http_402", LATER, "not_configured"),
        ("http_308", LATER, "not_configured"),
        ("http_503", UNKNOWN, "http_503"),
        ("no_json", UNKNOWN, "reply_unknown"),
        ("no_id", UNKNOWN, "reply_unknown"),
        ("for_nobody", UNKNOWN, "reply_unknown"),
        ("accept_then_silence", UNKNOWN, "timeout"),
        ("accept_then_cut", UNKNOWN, "connection_lost"),
    ],
)
def test_every_answer_has_one_meaning(
    account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope, word: str, kind: OutcomeKind, code: str
) -> None:
    """failures.md row 4 and row 18: what may have happened is unknown, what never will is not tried again."""
    peer.word = word
    outcome = Hasty(account).send(envelope())
    assert (outcome.kind, outcome.code) == (kind, code)
    assert outcome.retry_after == (LOOK_AGAIN_AFTER if code == "not_configured" else None)
    assert peer.asked == 1


def test_too_many_mails_make_the_account_pause(account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope) -> None:
    peer.word = "too_many"
    outcome = Anymail(account).send(envelope())
    assert (outcome.kind, outcome.code, outcome.retry_after) == (LATER, "too_many", 7.0)


def test_nobody_listening_is_tried_again(envelope: MakeEnvelope) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        outcome = Anymail(an_account(server_token=TOKEN, api_url=url)).send(envelope())
    assert (outcome.kind, outcome.code) == (LATER, "connection_lost")


def test_wrong_token_is_the_accounts_fault(peer: MailPeer, envelope: MakeEnvelope) -> None:
    outcome = Anymail(an_account(server_token="other", api_url=peer.web.url)).send(envelope())
    assert (outcome.kind, outcome.code) == (LATER, "not_configured")


@pytest.mark.parametrize("word", ["accept", "says_the_token", "http_503", "accept_then_silence", "no_json"])
def test_token_is_in_no_log_and_no_error(
    account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    caplog.set_level(logging.DEBUG)
    peer.word = word
    assert TOKEN not in repr(Hasty(account).send(envelope()))
    assert TOKEN not in caplog.text


def test_a_thread_sends_over_one_connection(account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope) -> None:
    adapter = Anymail(account)
    with ThreadPoolExecutor(1) as thread:
        kinds = [thread.submit(adapter.send, envelope(message_id=number)).result().kind for number in range(4)]
    assert (kinds, peer.web.connections) == ([ACCEPTED] * 4, 1)


@pytest.mark.parametrize("address", ["", "ana", "ana@example.com\r\nBcc: evil@example.com", "a@b.example, c@d.example"])
def test_what_is_no_address_asks_nobody(
    account: ChannelAccount, peer: MailPeer, envelope: MakeEnvelope, address: str
) -> None:
    outcome = Anymail(account).send(envelope(address=address))
    assert (outcome.kind, outcome.code, peer.asked) == (NEVER, "invalid_address", 0)


every_service = pytest.mark.parametrize("service", sorted(SERVICES))


def test_every_service_of_anymail_is_offered_but_those_that_need_more() -> None:
    """Sendinblue is Brevo's old name; Amazon SES needs boto3."""
    offered = {info.name for info in pkgutil.iter_modules(anymail.backends.__path__)}
    assert offered - set(SERVICES) == {"amazon_ses", "base", "base_requests", "console", "sendinblue", "test"}
    assert set(SERVICES) - offered == set(SERVICES) - set(ANSWERS) == set()
    assert adapter_class("anymail").services == {word: service.name for word, service in SERVICES.items()}


@every_service
def test_every_service_takes_a_mail(service: str, envelope: MakeEnvelope) -> None:
    """Each in its own words, at the address of the account; its headers and our message's id go along."""
    with mail_peer(service) as peer:
        outcome = Anymail(account_at(service, peer)).send(envelope(body="Hola\n\n✓", unsubscribe_url=URL))
        assert (outcome.kind, bool(outcome.provider_id), peer.asked) == (ACCEPTED, True, 1)
        assert peer.texts[0].startswith("Hola\n\n✓")
        [letter] = peer.letters.values()
    said = json.dumps(letter)
    assert [word for word in ("List-Unsubscribe", "Auto-Submitted", "embudo_message", URL) if word not in said] == []


JUDGED = [
    ("http_400", NEVER, "http_400"),
    ("http_401", LATER, "not_configured"),
    ("http_403", LATER, "not_configured"),
    ("http_413", NEVER, "http_413"),
    ("too_many", LATER, "too_many"),
    ("http_500", UNKNOWN, "http_500"),
    ("http_503", UNKNOWN, "http_503"),
    ("accept_then_cut", UNKNOWN, "connection_lost"),
]


@every_service
def test_every_service_is_judged_by_its_http_status(
    service: str, envelope: MakeEnvelope, caplog: pytest.LogCaptureFixture
) -> None:
    """failures.md rows 4 and 18."""
    caplog.set_level(logging.DEBUG)
    with mail_peer(service) as peer:
        adapter = Anymail(account_at(service, peer))
        for peer.word, kind, code in JUDGED:
            outcome = adapter.send(envelope())
            assert (outcome.kind, outcome.code) == (kind, code)
            assert TOKEN not in f"{outcome}{caplog.text}"
        assert peer.asked == len(JUDGED)


# SendGrid's status says it all, and MailerSend names what it took in a header.
SAY_IT_OTHERWISE = {
    ("sendgrid", "no_json"): (ACCEPTED, ""),
    ("sendgrid", "no_words"): (ACCEPTED, ""),
    ("mailersend", "no_words"): (NEVER, "refused"),
}


@every_service
@pytest.mark.parametrize("word", ["no_json", "no_words"])
def test_answer_that_cannot_be_read_leaves_it_unknown(service: str, envelope: MakeEnvelope, word: str) -> None:
    """failures.md row 4: the mail has left."""
    with mail_peer(service) as peer:
        peer.word = word
        outcome = Anymail(account_at(service, peer)).send(envelope())
    assert (outcome.kind, outcome.code) == SAY_IT_OTHERWISE.get((service, word), (UNKNOWN, "reply_unknown"))


@pytest.mark.parametrize(
    ("service", "word", "kind", "code"),
    [
        ("postal", "postal_key", LATER, "not_configured"),
        ("postal", "postal_parameter", NEVER, "refused"),
        ("mandrill", "mandrill_key", LATER, "not_configured"),
        ("mandrill", "mandrill_parameter", NEVER, "refused"),
        ("mandrill", "mandrill_broken", UNKNOWN, "http_500"),
    ],
)
def test_service_that_says_more_than_its_status_is_understood(
    service: str, word: str, kind: OutcomeKind, code: str, envelope: MakeEnvelope
) -> None:
    """failures.md row 18: a wrong key burns no leads."""
    with mail_peer(service) as peer:
        peer.word = word
        outcome = Anymail(account_at(service, peer)).send(envelope())
    assert (outcome.kind, outcome.code) == (kind, code)


def test_mailjet_takes_no_message_id_of_ours(envelope: MakeEnvelope) -> None:
    with mail_peer("mailjet") as peer:
        Anymail(account_at("mailjet", peer)).send(envelope(unsubscribe_url=URL))
        [letter] = peer.letters.values()
    assert sorted(letter["Globals"]["Headers"]) == ["Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"]


@every_service
def test_account_that_lacks_something_says_what(service: str, envelope: MakeEnvelope) -> None:
    needed = [credential.name for credential in SERVICES[service].credentials if credential.is_required]
    adapter = Anymail(an_account(sender="nobody", service=service))
    with translation.override("en"):
        assert [fault.split()[0] for fault in adapter.faults()] == [*needed, "sender"]
    assert adapter.send(envelope()).code == "not_configured"


@pytest.mark.parametrize("service", ["", "amazon_ses", "pigeon"])
def test_account_of_no_service_sends_nothing(service: str, envelope: MakeEnvelope) -> None:
    outcome = Anymail(an_account(service=service, api_key=TOKEN)).send(envelope())
    assert (outcome.kind, outcome.code) == (LATER, "not_configured")


def test_address_of_the_api_that_is_none_is_the_accounts_fault(envelope: MakeEnvelope) -> None:
    account = an_account(service="scaleway", secret_key=TOKEN, project_id="1", api_url="http://x/{nowhere}")
    assert Anymail(account).send(envelope()).code == "not_configured"
