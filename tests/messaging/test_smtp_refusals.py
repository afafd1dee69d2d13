"""What the server says or does not say, in our words: replies of RFC 5321, codes of RFC 3463."""

from collections.abc import Callable

import pytest
from django.utils import translation

from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.smtp import Letter, Smtp, deliver
from messaging.smtp_sessions import Server
from tests.peers.raw_smtp import HANG_UP, SILENCE, raw_smtp_peer
from tests.peers.smtp import smtp_peer

FOR_NOW, FOR_GOOD, UNKNOWN = OutcomeKind.REFUSED_FOR_NOW, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN

Account = Callable[..., ChannelAccount]
MakeEnvelope = Callable[..., Envelope]


class HastySmtp(Smtp):
    waits = {"answer_within": 0.3, "verdict_within": 0.3}


@pytest.mark.parametrize(
    ("command", "reply", "kind", "code"),
    [
        ("MAIL", "451 4.3.0 later", FOR_NOW, "smtp_451"),
        ("MAIL", "550 5.1.1 not this sender", FOR_GOOD, "smtp_550"),
        ("MAIL", "553 5.7.1 not your address", FOR_GOOD, "smtp_553"),
        ("RCPT", "450 4.2.1 greylisted", FOR_NOW, "smtp_450"),
        ("RCPT", "452 4.2.2 mailbox full", FOR_NOW, "smtp_452"),
        ("RCPT", "550 5.1.1 no such user", FOR_GOOD, "invalid_address"),
        ("RCPT", "550 5.1.10 null MX", FOR_GOOD, "invalid_address"),
        ("RCPT", "550 No such user here", FOR_GOOD, "invalid_address"),
        ("RCPT", "550 5.7.1 blocked: user unknown to us", FOR_GOOD, "smtp_550"),
        ("RCPT", "554 5.7.1 blocked", FOR_GOOD, "smtp_554"),
        ("DATA", "421 4.7.0 try again later", FOR_NOW, "smtp_421"),
        ("DATA", "451 4.7.1 try again later", FOR_NOW, "smtp_451"),
        ("DATA", "550 5.1.1 no such user", FOR_GOOD, "invalid_address"),
        ("DATA", "552 5.3.4 too big", FOR_GOOD, "smtp_552"),
    ],
)
def test_send_refusals_are_told_apart(
    mail_account: Account, envelope: MakeEnvelope, command: str, reply: str, kind: OutcomeKind, code: str
) -> None:
    with smtp_peer() as peer:
        peer.answers[command] = reply
        outcome = Smtp(mail_account(peer.port)).send(envelope())
    assert (outcome.kind, outcome.code, outcome.error) == (kind, code, reply)
    assert peer.letters == []


def test_send_after_a_refusal_the_session_serves_the_next_mail(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        adapter = Smtp(mail_account(peer.port))
        peer.answers["RCPT"] = "550 5.1.1 no such user"
        adapter.send(envelope())
        peer.answers.clear()
        assert adapter.send(envelope()).kind == OutcomeKind.ACCEPTED
    assert (peer.connections, len(peer.letters)) == (1, 1)


@pytest.mark.parametrize("point", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("act", [HANG_UP, SILENCE])
def test_send_lost_before_the_text_reached_nobody(
    mail_account: Account, envelope: MakeEnvelope, point: str, act: str
) -> None:
    # A server without EHLO is asked with HELO next.
    with raw_smtp_peer(acts={point: act, "HELO": act}) as peer:
        outcome = HastySmtp(mail_account(peer.port)).send(envelope())
    assert outcome.kind == FOR_NOW
    assert outcome.code in ("connection_failed", "connection_lost")
    assert peer.texts == []


@pytest.mark.parametrize("act", [HANG_UP, SILENCE, "what?", "2"])
def test_send_lost_after_the_final_dot_is_unknown(mail_account: Account, envelope: MakeEnvelope, act: str) -> None:
    """failures.md row 4: the server has the mail, and nobody can know whether it took it."""
    with raw_smtp_peer(acts={"DOT": act}) as peer:
        outcome = HastySmtp(mail_account(peer.port)).send(envelope())
    assert outcome.kind == UNKNOWN
    assert outcome.provider_id == "<embudo-12.step-3-1-1@aurora.example>"
    assert (peer.connections, len(peer.texts)) == (1, 1), "it was handed over once"


def test_send_lost_within_the_text_reached_nobody() -> None:
    text = b"a line of the text, again and again\r\n" * 400_000
    letter = Letter(sender="a@a.example", recipient="b@b.example", data=text, message_id="<1@a.example>")
    with raw_smtp_peer(acts={"TEXT": HANG_UP}) as peer:
        outcome = deliver(letter, Server.of({"host": "127.0.0.1", "port": peer.port}))
    assert (outcome.kind, outcome.code) == (FOR_NOW, "connection_lost")


def test_send_without_a_server_reached_nobody(mail_account: Account, envelope: MakeEnvelope) -> None:
    with raw_smtp_peer() as peer:
        account = mail_account(peer.port)
    outcome = Smtp(account).send(envelope())
    assert (outcome.kind, outcome.code) == (FOR_NOW, "connection_failed")


@pytest.mark.parametrize("greeting", ["554 5.7.1 you are on a list", "421 4.3.2 closing"])
def test_send_turned_away_at_the_door_reached_nobody(
    mail_account: Account, envelope: MakeEnvelope, greeting: str
) -> None:
    with raw_smtp_peer(acts={"GREETING": greeting}) as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope())
    assert (outcome.kind, outcome.code) == (FOR_NOW, "connection_failed")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"host": ""}, "host"),
        ({"port": "smtp"}, "port"),
        ({"port": 70_000}, "port"),
        ({"security": "tls"}, "security"),
        ({"username": "ana"}, "password"),
    ],
)
def test_faults_names_what_is_missing(
    mail_account: Account, envelope: MakeEnvelope, changes: dict[str, object], word: str
) -> None:
    account = mail_account(25, **changes)
    with translation.override("en"):
        [fault] = Smtp(account).faults()
    assert fault.startswith(word)
    outcome = Smtp(account).send(envelope())
    assert (outcome.kind, outcome.code) == (FOR_NOW, "not_configured")


def test_faults_names_a_missing_sender(mail_account: Account) -> None:
    account = mail_account(25)
    account.sender = "Aurora"
    with translation.override("en"):
        [fault] = Smtp(account).faults()
    assert fault.startswith("sender")


def test_faults_of_a_whole_account_are_none(mail_account: Account) -> None:
    assert Smtp(mail_account(25)).faults() == []


def test_send_waits_longer_for_the_verdict_than_for_a_command(mail_account: Account, envelope: MakeEnvelope) -> None:
    class Patient(Smtp):
        waits = {"answer_within": 0.1, "verdict_within": 5.0}

    with smtp_peer() as peer:
        peer.thinks_for = 0.4
        outcome = Patient(mail_account(peer.port)).send(envelope())
    assert outcome.kind == OutcomeKind.ACCEPTED


@pytest.mark.parametrize("point", ["RCPT", "DATA"])
def test_send_misunderstood_before_the_text_reached_nobody_and_ends_the_session(
    mail_account: Account, envelope: MakeEnvelope, point: str
) -> None:
    with raw_smtp_peer(acts={point: "what?"}) as peer:
        outcome = Smtp(mail_account(peer.port)).send(envelope())
        peer.acts.clear()
        assert Smtp(mail_account(peer.port)).send(envelope()).kind == OutcomeKind.ACCEPTED
    assert (outcome.kind, outcome.code) == (FOR_NOW, "reply_unknown")
    assert (peer.connections, len(peer.texts)) == (2, 1)
