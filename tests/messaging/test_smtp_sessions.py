"""A session serves one mail after another, and is not kept for ever."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from messaging.base import Envelope, OutcomeKind
from messaging.models import ChannelAccount
from messaging.smtp import Smtp
from messaging.smtp_sessions import SESSIONS, Server, SessionShelf, open_session
from tests.peers.raw_smtp import raw_smtp_peer
from tests.peers.smtp import smtp_peer

Account = Callable[..., ChannelAccount]
MakeEnvelope = Callable[..., Envelope]


def test_session_serves_many_mails(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        for number in range(5):
            Smtp(mail_account(peer.port)).send(envelope(message_id=number))
    assert (peer.connections, len(peer.letters)) == (1, 5)


def test_sessions_are_as_many_as_senders(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer, ThreadPoolExecutor(4) as senders:
        adapter = Smtp(mail_account(peer.port))
        outcomes = list(senders.map(lambda n: adapter.send(envelope(message_id=n, key=f"step:{n}:1:1")), range(40)))
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert len({letter["Message-ID"] for letter in peer.letters}) == 40
    assert peer.connections <= 4


def test_session_closed_by_the_server_is_opened_anew(mail_account: Account, envelope: MakeEnvelope) -> None:
    with raw_smtp_peer(mails_a_session=1) as peer:
        outcomes = [Smtp(mail_account(peer.port)).send(envelope(message_id=n)).kind for n in range(3)]
    assert outcomes == [OutcomeKind.ACCEPTED] * 3
    assert (peer.connections, len(peer.texts)) == (3, 3)


def test_session_that_timed_out_at_the_server_is_opened_anew(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer(timeout=0.2) as peer:
        adapter = Smtp(mail_account(peer.port))
        adapter.send(envelope())
        time.sleep(0.5)
        assert adapter.send(envelope()).kind == OutcomeKind.ACCEPTED
    assert (peer.connections, len(peer.letters)) == (2, 2)


def test_session_told_to_close_is_opened_anew(mail_account: Account, envelope: MakeEnvelope) -> None:
    with raw_smtp_peer() as peer:
        adapter = Smtp(mail_account(peer.port))
        adapter.send(envelope())
        peer.acts["MAIL"] = "421 4.7.0 too many mails in this session"
        outcome = adapter.send(envelope())
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED_FOR_NOW, "connection_lost")
    assert peer.connections == 2, "opened anew once, not again and again"


def test_sessions_of_two_logins_are_not_mixed(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer, smtp_peer() as other:
        Smtp(mail_account(peer.port)).send(envelope())
        Smtp(mail_account(other.port)).send(envelope())
    assert (len(peer.letters), len(other.letters)) == (1, 1)


def test_session_idle_for_long_is_closed() -> None:
    with raw_smtp_peer() as peer:
        server = Server.of({"host": "127.0.0.1", "port": peer.port, "security": "none"})
        shelf, session = SessionShelf(idle_after=0.05), open_session(server)
        shelf.put(server, session)
        deadline = time.monotonic() + 5
        while session.sock is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session.sock is None
        assert shelf.take(server) is None


def test_session_is_not_shared_with_a_forked_process(mail_account: Account, envelope: MakeEnvelope) -> None:
    with smtp_peer() as peer:
        adapter = Smtp(mail_account(peer.port))
        adapter.send(envelope())
        server = Server.of(adapter.account.credentials, **adapter.waits)  # type: ignore[arg-type]
        child = os.fork()
        if child == 0:
            os._exit(0 if SESSIONS.take(server) is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert adapter.send(envelope()).kind == OutcomeKind.ACCEPTED
    assert peer.connections == 1
