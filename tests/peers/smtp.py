"""A real SMTP server on a free port of the loopback. It keeps what it takes, and refuses what a test wants."""

import asyncio
import email
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass
class SmtpPeer:
    """`answers` maps MAIL, RCPT or DATA to a reply such as "451 4.7.1 later"; other commands succeed.

    `thinks_for` is how many seconds it takes before it takes a mail.
    """

    answers: dict[str, str] = field(default_factory=dict)
    thinks_for: float = 0
    # What it says to RCPT for an address, beside `answers`.
    script: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    login: tuple[str, str] = ("", "")
    port: int = 0
    connections: int = 0
    raw: list[bytes] = field(default_factory=list)
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    were_encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.script or "RCPT" in self.answers:
            self.said.append(self.script.get(address) or self.answers["RCPT"])
            return self.said[-1]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.thinks_for)
        if "DATA" in self.answers:
            return self.answers["DATA"]
        letter = email.message_from_bytes(envelope.content.replace(b"\r\n", b"\n"), policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.raw.append(envelope.content)
        self.letters.append(letter)
        self.recipients += envelope.rcpt_tos
        self.were_encrypted.append(session.ssl is not None)
        return "250 2.0.0 queued"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given[0])
        return AuthResult(success=given == self.login, handled=False)


@contextmanager
def smtp_peer(*, is_implicit_tls: bool = False, **options: Any) -> Iterator[SmtpPeer]:
    """A peer that serves until the block ends; `options` are those of aiosmtpd's SMTP."""
    peer, loop, is_up, sessions = SmtpPeer(), asyncio.new_event_loop(), Event(), []
    tls = options.pop("tls_context", None)

    def protocol() -> SMTP:
        peer.connections += 1
        starttls = None if is_implicit_tls else tls
        session = SMTP(
            peer,
            hostname="peer.test",
            loop=loop,
            tls_context=starttls,
            authenticator=peer.authenticate,
            auth_require_tls=tls is not None,
            **options,
        )
        sessions.append(session)
        return session

    def serve() -> None:
        asyncio.set_event_loop(loop)
        ssl = tls if is_implicit_tls else None
        server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=ssl))
        peer.port = server.sockets[0].getsockname()[1]
        is_up.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(_end(loop, sessions))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    assert is_up.wait(10)
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _end(loop: asyncio.AbstractEventLoop, sessions: list[SMTP]) -> None:
    for transport in [session.transport for session in sessions if session.transport is not None]:
        transport.abort()
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)  # the transports close
