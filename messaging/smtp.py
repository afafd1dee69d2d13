"""E-mail over any SMTP server (RFC 5321), by its login."""

import re
import smtplib
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from messaging.base import Adapter, Credential, Envelope, Outcome, OutcomeKind
from messaging.mail import Mail, compose, sender_faults, sender_of
from messaging.smtp_sessions import SECURITIES, SESSIONS, SUBMISSION_PORT, NoSession, Server, open_session

# Enhanced status codes (RFC 3463, RFC 7505) that say that the address itself is wrong: no such mailbox, no
# such domain, bad syntax, moved away, takes no mail.
NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
NO_SUCH_ADDRESS_WORDS = re.compile(
    r"no such user|(user|recipient|mailbox) (is )?unknown|unknown user|does not exist", re.I
)
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
CLOSING = 421
START_OF_TEXT = 354
# After these nobody knows which answer belongs to which command.
LOST, MISUNDERSTOOD = "connection_lost", "reply_unknown"
OUT_OF_STEP = {LOST, MISUNDERSTOOD}

Reply = tuple[int, bytes]


class Gone(Exception):
    """The session was over before this mail's first command was accepted; nothing of it was handed over."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready for the wire: whom for, from whom, and its bytes with dots doubled."""

    sender: str
    recipient: str
    data: bytes
    message_id: str

    @classmethod
    def of(cls, mail: Mail) -> "Letter":
        lines = mail.as_bytes().splitlines()
        return cls(
            sender=mail.sender,
            recipient=mail.recipient,
            data=b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines),
            message_id=mail.headers["Message-ID"],
        )


class Smtp(Adapter):
    """Credentials: host, port, username, password, security (`auto starttls ssl none`)."""

    channels = frozenset({"email"})
    credentials = (
        Credential("host", gettext_lazy("Mail server"), gettext_lazy("Its name, such as smtp.example.com."), False),
        Credential("port", gettext_lazy("Port"), gettext_lazy("Usually 587; empty is that."), False, False),
        Credential(
            "security",
            gettext_lazy("Security"),
            gettext_lazy("auto, starttls, ssl or none; empty is auto."),
            False,
            False,
        ),
        Credential("username", gettext_lazy("User name"), gettext_lazy("Often the e-mail address."), False, False),
        Credential(
            "password", gettext_lazy("Password"), gettext_lazy("Many services want one made for apps."), True, False
        ),
    )
    # Seconds. A server may think long about a whole mail, and giving up on it leaves the outcome unknown.
    waits: ClassVar[dict[str, float]] = {"answer_within": 10.0, "verdict_within": 60.0}

    def faults(self) -> list[str]:
        credentials = self._credentials()
        found = []
        if not credentials.get("host"):
            found.append(_("host is missing: the name of the mail server, such as smtp.example.com"))
        port = str(credentials.get("port") or SUBMISSION_PORT)
        if not port.isdecimal() or not 1 <= int(port) <= 65_535:
            found.append(_("port=%(port)s is not allowed; use a number such as 587") % {"port": port})
        if (credentials.get("security") or "auto") not in SECURITIES:
            found.append(_("security is not allowed; use one of %(words)s") % {"words": ", ".join(SECURITIES)})
        if credentials.get("username") and not credentials.get("password"):
            found.append(_("password is missing: the mail server's user name needs one"))
        return found + sender_faults(self.account)

    def send(self, envelope: Envelope) -> Outcome:
        faults = self.faults()
        if faults:
            return Outcome(OutcomeKind.REFUSED_FOR_NOW, code="not_configured", error="; ".join(faults))
        name, address = sender_of(self.account)
        try:
            letter = Letter.of(compose(envelope, sender=address, sender_name=name))
        except ValueError as error:
            return Outcome(OutcomeKind.REFUSED, code="invalid_address", error=str(error))
        return deliver(letter, Server.of(self._credentials(), **self.waits))

    def _credentials(self) -> dict[str, Any]:
        return cast(dict[str, Any], self.account.credentials)


def deliver(letter: Letter, server: Server) -> Outcome:
    """Over a kept session, or over a new one when there is none or the server has closed it meanwhile."""
    kept = SESSIONS.take(server)
    if kept is not None:
        try:
            return _deliver_over(kept, letter, server)
        except Gone:
            pass
    try:
        return _deliver_over(open_session(server), letter, server)
    except NoSession as error:
        return Outcome(OutcomeKind.REFUSED_FOR_NOW, code=error.code, error=str(error))
    except Gone as error:
        return _lost(error)


def _deliver_over(session: smtplib.SMTP, letter: Letter, server: Server) -> Outcome:
    is_reusable = False
    try:
        outcome = _transaction(session, letter, server)
        is_accepted = outcome.kind == OutcomeKind.ACCEPTED
        is_reusable = is_accepted or (outcome.code not in OUT_OF_STEP and _reset(session))
        return outcome
    finally:
        if is_reusable:
            SESSIONS.put(server, session)
        else:
            session.close()


def _transaction(session: smtplib.SMTP, letter: Letter, server: Server) -> Outcome:
    """One mail. Lost before the final dot, nobody has it; lost after it, nobody knows."""
    _wait(session, server.answer_within)
    refusal = _open_transaction(session, letter)
    if refusal is not None:
        return refusal
    try:
        session.send(letter.data)
    except OSError as error:
        return _lost(error)
    try:
        _wait(session, server.verdict_within)
        session.send(b".\r\n")
        code, text = session.getreply()
    except OSError as error:
        return Outcome(OutcomeKind.UNKNOWN, letter.message_id, code=LOST, error=str(error))
    return _verdict((code, text), letter)


def _open_transaction(session: smtplib.SMTP, letter: Letter) -> Outcome | None:
    """MAIL, RCPT and DATA; what the server has against it. Raises Gone."""
    try:
        reply = session.mail(letter.sender)
    except OSError as error:
        raise Gone(str(error)) from error
    if reply[0] == CLOSING:
        raise Gone(_words(reply))
    if not _is_fine(reply):
        return _refusal(reply, is_about_recipient=False)
    try:
        reply = session.rcpt(letter.recipient)
        if _is_fine(reply):
            reply = session.docmd("DATA")
    except OSError as error:
        return _lost(error)
    return None if reply[0] == START_OF_TEXT else _refusal(reply)


def _verdict(reply: Reply, letter: Letter) -> Outcome:
    if _is_fine(reply):
        return Outcome(OutcomeKind.ACCEPTED, letter.message_id)
    if reply[0] // 100 in (4, 5):
        return _refusal(reply)
    return Outcome(OutcomeKind.UNKNOWN, letter.message_id, code=MISUNDERSTOOD, error=_words(reply))


def _refusal(reply: Reply, *, is_about_recipient: bool = True) -> Outcome:
    kind = OutcomeKind.REFUSED if reply[0] // 100 == 5 else OutcomeKind.REFUSED_FOR_NOW
    code = f"smtp_{reply[0]}" if reply[0] // 100 in (4, 5) else MISUNDERSTOOD
    if kind == OutcomeKind.REFUSED and is_about_recipient and _says_no_such_address(reply):
        code = "invalid_address"
    return Outcome(kind, code=code, error=_words(reply))


def _says_no_such_address(reply: Reply) -> bool:
    text = reply[1].decode("utf-8", "replace")
    enhanced = ENHANCED.match(text)
    if enhanced:
        return enhanced.group() in NO_SUCH_ADDRESS
    return reply[0] == 550 and bool(NO_SUCH_ADDRESS_WORDS.search(text))


def _wait(session: smtplib.SMTP, seconds: float) -> None:
    if session.sock is not None:
        session.sock.settimeout(seconds)


def _lost(error: Exception) -> Outcome:
    return Outcome(OutcomeKind.REFUSED_FOR_NOW, code=LOST, error=str(error))


def _reset(session: smtplib.SMTP) -> bool:
    """Whether the session is fit for another mail."""
    try:
        return session.sock is not None and _is_fine(session.rset())
    except OSError:
        return False


def _is_fine(reply: Reply) -> bool:
    return reply[0] // 100 == 2


def _words(reply: Reply) -> str:
    return f"{reply[0]} {reply[1].decode('utf-8', 'replace')}"[:500].replace("\x00", "")
