"""Open SMTP sessions: one per sender that is busy, handed on from message to message, closed when idle.

A session is in one sender's hands at a time, so there are never more of them than senders.
"""

import atexit
import os
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Lock, Timer
from typing import Any, Self

from django.core.mail.utils import DNS_NAME

SECURITIES = ("auto", "starttls", "ssl", "none")
IMPLICIT_TLS_PORT, SUBMISSION_PORT = 465, 587
CONNECT_WITHIN = 10.0
IDLE_AFTER = 20.0


class NoSession(Exception):
    """There is no way to the server now; `code` says what failed. Nothing was handed over."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Server:
    """Where and as whom to log in; how many seconds to wait for the answer to a command, and to a whole mail."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    security: str
    answer_within: float = 10.0
    verdict_within: float = 60.0

    @classmethod
    def of(cls, credentials: Mapping[str, Any], **waits: float) -> Self:
        """Raises ValueError when the port is no number."""
        security = str(credentials.get("security") or "auto")
        usual = IMPLICIT_TLS_PORT if security == "ssl" else SUBMISSION_PORT
        port = int(credentials.get("port") or usual)
        if security == "auto" and port == IMPLICIT_TLS_PORT:
            security = "ssl"
        return cls(
            host=str(credentials.get("host") or "").strip(),
            port=port,
            username=str(credentials.get("username") or ""),
            password=str(credentials.get("password") or ""),
            security=security,
            **waits,
        )

    @property
    def guards_password(self) -> bool:
        """Whether a password would leave this machine, so that only the right server may read it."""
        return bool(self.password) and not _is_loopback(self.host)

    def tls(self) -> ssl.SSLContext:
        """Certificates are checked; only `auto` without a password to lose takes what encryption there is."""
        context = ssl.create_default_context()
        if self.security == "auto" and not self.guards_password:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def open_session(server: Server) -> smtplib.SMTP:
    """Connect, encrypt and log in. Raises NoSession."""
    try:
        session = _connect(server)
    except ssl.SSLError as error:
        raise NoSession("tls_failed", str(error)) from error
    except (OSError, UnicodeError) as error:
        raise NoSession("connection_failed", f"{server.host}:{server.port}: {error}") from error
    try:
        _encrypt(session, server)
        _log_in(session, server)
    except NoSession:
        session.close()
        raise
    return session


def _connect(server: Server) -> smtplib.SMTP:
    name, timeout = str(DNS_NAME), min(CONNECT_WITHIN, server.answer_within)
    session: smtplib.SMTP
    if server.security == "ssl":
        session = smtplib.SMTP_SSL(server.host, server.port, local_hostname=name, timeout=timeout, context=server.tls())
    else:
        session = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=timeout)
    assert session.sock is not None
    # The final dot is a write of its own; without this it would wait until the text is acknowledged.
    session.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return session


def _encrypt(session: smtplib.SMTP, server: Server) -> None:
    try:
        session.ehlo_or_helo_if_needed()
        is_offered = session.has_extn("starttls")
        is_wanted = server.security == "starttls" or (server.security == "auto" and is_offered)
        if is_wanted:
            session.starttls(context=server.tls())
            session.ehlo_or_helo_if_needed()
    except smtplib.SMTPNotSupportedError as error:
        raise NoSession("tls_unavailable", f"{server.host} offers no STARTTLS") from error
    except ssl.SSLError as error:
        raise NoSession("tls_failed", str(error)) from error
    except OSError as error:
        raise NoSession("connection_failed", f"{server.host}:{server.port}: {error}") from error
    if server.security == "auto" and server.guards_password and not is_wanted:
        raise NoSession("tls_unavailable", f"{server.host} offers no encryption, so the password stays here")


def _log_in(session: smtplib.SMTP, server: Server) -> None:
    """The texts of these errors hold parts of the login, so only the server's code goes on."""
    if not server.username:
        return
    try:
        session.login(server.username, server.password)
    except smtplib.SMTPResponseException as error:
        raise NoSession("login_refused", f"{server.host} refused the login ({error.smtp_code})") from None
    except (smtplib.SMTPNotSupportedError, UnicodeError):
        raise NoSession("login_refused", f"{server.host} takes no such login") from None
    except OSError as error:
        raise NoSession("connection_failed", f"{server.host}:{server.port}: {type(error).__name__}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SessionShelf:
    """Sessions that nobody uses at the moment; a timer closes those that stay here for long."""

    def __init__(self, idle_after: float = IDLE_AFTER) -> None:
        self.idle_after = idle_after
        self._lock = Lock()
        self._kept: dict[Server, list[tuple[float, smtplib.SMTP]]] = {}
        self._timer: Timer | None = None

    def take(self, server: Server) -> smtplib.SMTP | None:
        """The session used last; the server may have closed it meanwhile."""
        with self._lock:
            kept = self._kept.get(server)
            return kept.pop()[1] if kept else None

    def put(self, server: Server, session: smtplib.SMTP) -> None:
        with self._lock:
            self._kept.setdefault(server, []).append((time.monotonic(), session))
            self._wind_timer()

    def close_idle(self) -> None:
        """Close what has been here for `idle_after` seconds, and look again later if something is left."""
        self._close_until(time.monotonic() - self.idle_after)

    def close_all(self) -> None:
        self._close_until(float("inf"))

    def forget(self) -> None:
        """After a fork: the parent goes on talking over these, so close our side without a word."""
        kept, self._kept, self._timer, self._lock = self._kept, {}, None, Lock()
        for _since, session in [pair for pairs in kept.values() for pair in pairs]:
            session.close()

    def _close_until(self, moment: float) -> None:
        with self._lock:
            pairs = [(server, pair) for server, kept in self._kept.items() for pair in kept]
            self._kept = {}
            for server, pair in pairs:
                if pair[0] > moment:
                    self._kept.setdefault(server, []).append(pair)
            self._cancel_timer()
            self._wind_timer()
        for _server, (since, session) in pairs:
            if since <= moment:
                _say_goodbye(session)

    def _wind_timer(self) -> None:
        if self._timer is None and self._kept:
            self._timer = Timer(self.idle_after, self.close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _say_goodbye(session: smtplib.SMTP) -> None:
    try:
        session.quit()
    except OSError:
        session.close()


SESSIONS = SessionShelf()
atexit.register(SESSIONS.close_all)
os.register_at_fork(after_in_child=SESSIONS.forget)
