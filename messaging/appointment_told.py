"""What a lead was told of a meeting, and why not, as a person of the brokerage reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.models import Appointment
from messaging.reasons import REASONS, Reason, sentence
from messaging.reminders import (
    BOOKED,
    CANCELLED,
    DAY_BEFORE,
    FAILED,
    HOUR_BEFORE,
    INVITATION,
    MOVED,
    SENDING,
    SENT,
    SKIPPED,
    UNKNOWN,
    WAITING,
    WITHDRAWAL,
)

NOTICES = {
    BOOKED: gettext_lazy("Confirmation"),
    MOVED: gettext_lazy("Another time"),
    CANCELLED: gettext_lazy("Call-off"),
    INVITATION: gettext_lazy("Invitation by mail"),
    WITHDRAWAL: gettext_lazy("Withdrawal by mail"),
    DAY_BEFORE: gettext_lazy("Reminder 24 hours before"),
    HOUR_BEFORE: gettext_lazy("Reminder 1 hour before"),
}
STATES = {
    WAITING: gettext_lazy("waits"),
    SENDING: gettext_lazy("is being sent"),
    SENT: gettext_lazy("sent"),
    FAILED: gettext_lazy("failed"),
    UNKNOWN: gettext_lazy("nobody knows whether it was sent"),
    SKIPPED: gettext_lazy("left out"),
}
NOTHING = gettext_lazy("Nothing.")
WHY = {
    **REASONS,
    "late": Reason(gettext_lazy("It would have come too late."), NOTHING),
    "with_confirmation": Reason(gettext_lazy("The confirmation went by mail and carries it."), NOTHING),
    "paced": Reason(gettext_lazy("The account sends others first."), NOTHING),
    "internal_error": Reason(gettext_lazy("It could not be written; the log says why."), NOTHING),
}
# The state says it all.
SILENT = ("", "outcome_unknown", "lease_over", "key_conflict")


def told_lines(row: Appointment) -> list[str]:
    """A line a notice: what it is, what became of it, when, and why."""
    return [_line(key.partition(":")[0], said) for key, said in row.notices.items()]


def _line(kind: str, said: Mapping[str, Any]) -> str:
    reason, moment = str(said.get("reason", "")), str(said.get("again_at") or said.get("at", ""))
    state = str(STATES.get(str(said.get("state")), said.get("state")))
    words = {"notice": NOTICES.get(kind, kind), "state": state, "when": _shown(moment)}
    line = _("%(notice)s: %(state)s, %(when)s") % words if moment else f"{words['notice']}: {state}"
    return line if reason in SILENT else f"{line} · {sentence(reason, WHY)}"


def _shown(moment: str) -> str:
    if not moment:
        return ""
    return date_format(timezone.localtime(datetime.fromisoformat(moment)), "SHORT_DATETIME_FORMAT")
