"""Sends the mails to people who work here. They were written where something happened; the rows are the queue.

A mail is begun, committed, and only then handed to the mail server. What the server provably did not take is tried
again later; what nobody can know (a crash or a lost connection in between) is not: it stays begun and unsent, to be
seen in the admin. What it tells of is a task as well.
"""

import logging
import smtplib
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models import F

from leads.models import Notice

logger = logging.getLogger(__name__)

BATCH = 50
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))
NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"
# The message was not taken: nobody was reached, or it was refused as a whole.
NOT_TAKEN = (smtplib.SMTPConnectError, smtplib.SMTPHeloError, smtplib.SMTPAuthenticationError)
REFUSED = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


def send_notices(*, now: datetime, batch: int = BATCH) -> int:
    """Send up to `batch` mails that are due; how many went out. The first one for which the server cannot be reached
    ends the call: the others wait for their turn as they are."""
    sent = 0
    due = Notice.objects.filter(due_at__lte=now).order_by("due_at", "id")
    for notice in due.select_related("user")[:batch]:
        if not _begin(notice, now):
            continue  # another process has it
        error, is_over = _sent(notice)
        if not error:
            sent += 1
            Notice.objects.filter(pk=notice.pk).update(sent_at=now, error="")
        elif is_over:
            Notice.objects.filter(pk=notice.pk).update(error=error[:200])
        else:
            _later(notice, error, now)
            break
    return sent


def _begin(notice: Notice, now: datetime) -> bool:
    """Whether it is this process that sends it."""
    mine = Notice.objects.filter(pk=notice.pk, due_at=notice.due_at)
    return bool(mine.update(begun_at=now, due_at=None, attempts=F("attempts") + 1))


def _sent(notice: Notice) -> tuple[str, bool]:
    """What went wrong, and whether that is the end of it."""
    if not notice.user.is_active or not notice.user.email:
        return "nobody to send it to", True
    if settings.EMAIL_BACKEND == NO_SERVER:
        return "EMAIL_URL is not set: there is no mail server to send it by", True
    connection = get_connection(timeout=10)
    try:
        connection.open()
    except OSError as error:  # smtplib's own are OSErrors too
        return _told(error), False
    try:
        message = EmailMessage(notice.subject, notice.body, None, [notice.user.email], connection=connection)
        message.send()
    except (*NOT_TAKEN, *REFUSED) as error:
        return _told(error), _is_permanent(error)
    except OSError as error:
        logger.warning("Nobody knows whether mail %s went out: %s", notice.pk, error)
        return f"outcome unknown: {_told(error)}", True
    except Exception as error:
        logger.exception("Mail %s cannot be sent", notice.pk)
        return _told(error), True
    finally:
        connection.close()
    return "", True


def _is_permanent(error: Exception) -> bool:
    codes = [getattr(error, "smtp_code", 0)]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _text in error.recipients.values()]
    return all(code >= 500 for code in codes)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _later(notice: Notice, error: str, now: datetime) -> None:
    attempts = notice.attempts + 1
    again = now + RETRY_AFTER[attempts - 1] if attempts <= len(RETRY_AFTER) else None
    Notice.objects.filter(pk=notice.pk).update(
        due_at=again, begun_at=None if again else F("begun_at"), error=error[:200]
    )
