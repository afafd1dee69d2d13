"""A score in words: for each of its parts the points, the most that it could give, and why. Pure; in the language that
is active."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from brokers.score_rules import ScoreRules, Tiers
from leads.models import Stage
from leads.scoring import CALL_POINTS_LIMIT, QUICK_REPLIES, ScoreFacts, score

LABELS: dict[str, Any] = {
    "name": gettext_lazy("Name"),
    "phone": gettext_lazy("Phone"),
    "email": gettext_lazy("E-mail"),
    "location": gettext_lazy("Area"),
    "timeline": gettext_lazy("Timeline"),
    "budget": gettext_lazy("Budget"),
    "income": gettext_lazy("Monthly income"),
    "dicom": gettext_lazy("DICOM"),
    "inbound": gettext_lazy("Messages received"),
    "quick_replies": gettext_lazy("Quick replies"),
    "long_call": gettext_lazy("A call of over a minute"),
    "booking": gettext_lazy("A booking made"),
    "stage": gettext_lazy("Stage"),
    "calls": gettext_lazy("How calls went"),
    "opted_out": gettext_lazy("Asked not to be contacted"),
    "silent": gettext_lazy("Silence"),
    "invalid_address": gettext_lazy("An invalid address"),
}
KNOWN, UNKNOWN = gettext_noop("It is known."), gettext_noop("It is not known yet.")
PENALTIES = ("opted_out", "silent", "invalid_address")


@dataclass(frozen=True, slots=True)
class Part:
    """`most` is what it could give at best; of a penalty that is 0."""

    key: str
    label: str
    points: int
    most: int
    why: str


def explain_score(facts: ScoreFacts, rules: ScoreRules, now: datetime) -> list[Part]:
    """Every part, in the order of docs/scoring.md, also those that are worth nothing."""
    points = score(facts, rules, now).components
    reasons = _reasons(facts, rules, now)
    most = _most(rules)
    return [Part(key, str(LABELS[key]), points.get(key, 0), most[key], reasons[key]) for key in LABELS]


def _most(rules: ScoreRules) -> dict[str, int]:
    plain = ("name", "phone", "email", "location", "timeline", "budget", "quick_replies", "long_call", "booking")
    return {
        **{key: getattr(rules, key) for key in plain},
        "income": _best(rules.income_tiers),
        "dicom": rules.dicom_clean,
        "inbound": _best(rules.inbound_tiers),
        "stage": max(points for _stage, points in rules.stages),
        "calls": CALL_POINTS_LIMIT,
        **dict.fromkeys(PENALTIES, 0),
    }


def whole(amount: Decimal | int) -> str:
    return number_format(amount, decimal_pos=0, force_grouping=True)


def _best(tiers: Tiers) -> int:
    return max((points for _least, points in tiers), default=0)


def _reasons(facts: ScoreFacts, rules: ScoreRules, now: datetime) -> dict[str, str]:
    known = ("name", "phone", "email", "location", "timeline")
    return {
        **{key: _(KNOWN) if getattr(facts, key) else _(UNKNOWN) for key in known},
        "budget": _(KNOWN) if facts.has_budget else _(UNKNOWN),
        "income": _(UNKNOWN) if facts.income is None else _("%(amount)s a month.") % {"amount": whole(facts.income)},
        "dicom": _dicom(facts, rules),
        **_engagement(facts),
        "stage": str(Stage(facts.stage).label),
        "calls": _("The points of all calls come to %(points)d, of which %(most)d at most count.")
        % {"points": facts.call_score, "most": CALL_POINTS_LIMIT},
        **_penalties(facts, rules, now),
    }


def _dicom(facts: ScoreFacts, rules: ScoreRules) -> str:
    if facts.dicom == "clean":
        return _("It is clean.")
    if facts.dicom != "has_debt":
        return _(UNKNOWN)
    if facts.debt is None:
        return _("There is debt; how much is not known.")
    return _("A debt of %(debt)s; up to %(most)s is acceptable.") % {
        "debt": whole(facts.debt),
        "most": whole(rules.acceptable_debt_max),
    }


def _engagement(facts: ScoreFacts) -> dict[str, str]:
    quick, wanted = facts.quick_reply_count, QUICK_REPLIES
    return {
        "inbound": ngettext("%(count)d message.", "%(count)d messages.", facts.inbound_count)
        % {"count": facts.inbound_count},
        "quick_replies": ngettext(
            "Answered within five minutes %(count)d time, of %(wanted)d that count.",
            "Answered within five minutes %(count)d times, of %(wanted)d that count.",
            quick,
        )
        % {"count": quick, "wanted": wanted},
        "long_call": ngettext("%(count)d call.", "%(count)d calls.", facts.long_call_count)
        % {"count": facts.long_call_count},
        "booking": ngettext("%(count)d booking.", "%(count)d bookings.", facts.booking_count)
        % {"count": facts.booking_count},
    }


def _penalties(facts: ScoreFacts, rules: ScoreRules, now: datetime) -> dict[str, str]:
    silent = (now - facts.last_activity_at).days if facts.last_activity_at else 0
    return {
        "opted_out": _("They asked for it.") if facts.opted_out else _("They did not."),
        "silent": ngettext(
            "No sign of life for %(days)d day; it counts from %(from)d on.",
            "No sign of life for %(days)d days; it counts from %(from)d on.",
            silent,
        )
        % {"days": silent, "from": rules.silent_after_days},
        "invalid_address": _("A provider knew nobody there.")
        if facts.has_invalid_address
        else _("No address is known to be wrong."),
    }
