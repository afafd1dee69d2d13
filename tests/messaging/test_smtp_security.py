"""Encryption and login."""

from collections.abc import Callable

import pytest

from messaging.base import Envelope, Outcome, OutcomeKind
from messaging.models import ChannelAccount
from messaging.smtp import Smtp
from messaging.smtp_sessions import Server
from tests.peers.certificates import Certificate
from tests.peers.raw_smtp import raw_smtp_peer
from tests.peers.smtp import smtp_peer

FOR_NOW = OutcomeKind.REFUSED_FOR_NOW
LOGIN = {"username": "aurora", "password": "s3cret-word"}

Account = Callable[..., ChannelAccount]
MakeEnvelope = Callable[..., Envelope]


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate


def refused(outcome: Outcome, code: str) -> bool:
    return (outcome.kind, outcome.code) == (FOR_NOW, code)


def test_auto_encrypts_where_the_server_offers_it(
    mail_account: Account, envelope: MakeEnvelope, certificate: Certificate
) -> None:
    with smtp_peer(tls_context=certificate.server_context()) as peer:
        Smtp(mail_account(peer.port)).send(envelope())
    assert peer.were_encrypted == [True]


def test_auto_sends_plain_where_the_server_offers_nothing(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        Smtp(mail_account(peer.port, security="auto")).send(envelope())
    assert peer.were_encrypted == [False]


def test_none_never_encrypts(mail_account: Account, envelope: MakeEnvelope, certificate: Certificate) -> None:
    with smtp_peer(tls_context=certificate.server_context()) as peer:
        Smtp(mail_account(peer.port, security="none")).send(envelope())
    assert peer.were_encrypted == [False]


def test_starttls_with_a_trusted_certificate_sends(
    mail_account: Account, envelope: MakeEnvelope, trusted: Certificate
) -> None:
    with smtp_peer(tls_context=trusted.server_context()) as peer:
        outcome = Smtp(mail_account(peer.port, security="starttls")).send(envelope())
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert peer.were_encrypted == [True]


def test_starttls_with_a_strange_certificate_sends_nothing(
    mail_account: Account, envelope: MakeEnvelope, certificate: Certificate
) -> None:
    with smtp_peer(tls_context=certificate.server_context()) as peer:
        outcome = Smtp(mail_account(peer.port, security="starttls")).send(envelope())
    assert refused(outcome, "tls_failed")
    assert peer.letters == []


def test_starttls_where_none_is_offered_sends_nothing(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port, security="starttls")).send(envelope())
    assert refused(outcome, "tls_unavailable")
    assert peer.letters == []


def test_ssl_encrypts_from_the_first_byte(mail_account: Account, envelope: MakeEnvelope, trusted: Certificate) -> None:
    with smtp_peer(is_implicit_tls=True, tls_context=trusted.server_context()) as peer:
        outcome = Smtp(mail_account(peer.port, security="ssl")).send(envelope())
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert len(peer.letters) == 1


def test_ssl_with_a_strange_certificate_sends_nothing(
    mail_account: Account, envelope: MakeEnvelope, certificate: Certificate
) -> None:
    with smtp_peer(is_implicit_tls=True, tls_context=certificate.server_context()) as peer:
        outcome = Smtp(mail_account(peer.port, security="ssl")).send(envelope())
    assert refused(outcome, "tls_failed")


def test_auto_on_the_port_of_implicit_tls_means_ssl() -> None:
    assert Server.of({"host": "mail.example.com", "port": "465"}).security == "ssl"


def test_login_is_given_over_tls(mail_account: Account, envelope: MakeEnvelope, certificate: Certificate) -> None:
    with smtp_peer(tls_context=certificate.server_context()) as peer:
        peer.login = (LOGIN["username"], LOGIN["password"])
        outcome = Smtp(mail_account(peer.port, **LOGIN)).send(envelope())
    assert outcome.kind == OutcomeKind.ACCEPTED
    assert set(peer.logins) == {"aurora"}


@pytest.mark.parametrize("password", ["wrong-word", "contraseña"])
def test_login_refused_is_for_now_and_keeps_the_password_to_itself(
    mail_account: Account,
    envelope: MakeEnvelope,
    certificate: Certificate,
    password: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with smtp_peer(tls_context=certificate.server_context()) as peer:
        outcome = Smtp(mail_account(peer.port, username="aurora", password=password)).send(envelope())
    assert refused(outcome, "login_refused")
    ours = [record.getMessage() for record in caplog.records if record.name != "mail.log"]  # that is the peer's
    assert [text for text in (outcome.error, *ours) if password in text] == []
    assert "ñ" not in outcome.error
    assert peer.letters == []


def test_login_where_the_server_knows_none_is_refused(mail_account: Account, envelope: MakeEnvelope) -> None:
    with raw_smtp_peer() as peer:
        outcome = Smtp(mail_account(peer.port, **LOGIN)).send(envelope())
    assert refused(outcome, "login_refused")


@pytest.mark.parametrize(
    ("host", "password", "is_guarded"),
    [
        ("mail.example.com", "secret", True),
        ("10.0.0.7", "secret", True),
        ("mail.example.com", "", False),
        ("localhost", "secret", False),
        ("127.0.0.1", "secret", False),
    ],
)
def test_auto_checks_the_certificate_when_a_password_would_leave(host: str, password: str, is_guarded: bool) -> None:
    server = Server.of({"host": host, "username": "aurora", "password": password})
    assert server.guards_password == is_guarded
    assert server.tls().check_hostname == is_guarded


def test_server_never_shows_its_password() -> None:
    assert LOGIN["password"] not in repr(Server.of({"host": "mail.example.com", **LOGIN}))
