"""An explanation in sentences, in the active language, with the broker's wall clock."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from campaigns.explain import Entry, Explanation, NextDecision, StepStory
from campaigns.models import Action, EnrollmentStatus, LogStatus, Trigger
from campaigns.reasons import CHECKS, ENTRY_REMEDIES, explained, remedy
from messaging.telling import check_told, local, values_told


def as_text(explanation: Explanation) -> str:
    zone = ZoneInfo(explanation.timezone)
    lines = [line for entry in explanation.entries for line in _entry_lines(entry, zone)]
    if not explanation.entries:
        lines.append(_("The lead was never in this campaign."))
    lines.append(_("Could it enter now?"))
    for check in explanation.obstacles:
        lines.append(f"  {_check_line(check.as_json(), zone)}")
        if not check.passed:
            lines.append(f"     {ENTRY_REMEDIES[check.name]}")
    if explanation.may_enter_at and explanation.may_enter_at > explanation.at:
        lines.append("  " + _("It could from %(moment)s.") % {"moment": local(explanation.may_enter_at, zone)})
    lines.append(_("Times are those of %(zone)s.") % {"zone": explanation.timezone})
    return "\n".join(lines)


def _entry_lines(entry: Entry, zone: ZoneInfo) -> Iterator[str]:
    yield _("Entry %(entry)s, %(at)s, by %(trigger)s, on version %(version)s: %(status)s%(why)s") % {
        "entry": entry.entry,
        "at": local(entry.enrolled_at, zone),
        "trigger": Trigger(entry.trigger).label,
        "version": entry.version,
        "status": EnrollmentStatus(entry.status).label,
        "why": f" – {explained(entry.exit_reason)}" if entry.exit_reason else "",
    }
    if entry.evidence:
        yield "  " + _("Because of: %(evidence)s") % {"evidence": values_told(entry.evidence, zone)}
    if entry.status == EnrollmentStatus.HELD_OUT:
        yield "  " + _("It gets nothing: held-out leads show what happens without the campaign.")
    for story in entry.steps:
        yield from _story_lines(story, zone)
    if entry.next is not None:
        yield from _next_lines(entry.next, zone)


def _story_lines(story: StepStory, zone: ZoneInfo) -> Iterator[str]:
    at = local(story.executed_at or story.due_at, zone)
    how = f"{Action(story.action).label}{f' ({story.channel})' if story.channel else ''}"
    yield f"  {story.step}. {how}: {LogStatus(story.status).label}, {at}"
    if story.reason:
        yield f"     {explained(story.reason)} {remedy(story.reason)}"
    for said in story.said:
        yield "     " + _("%(who)s said: %(what)s, %(at)s") % {
            "who": said["name"] or _("Somebody"),
            "what": _words()[said["what"]],
            "at": local(datetime.fromisoformat(said["at"]), zone),
        }
    yield from (f"     {_check_line(check, zone)}" for check in story.checks)


def _words() -> dict[str, str]:
    return {
        "delivered": _("it was delivered"),
        "send_again": _("it was not: send it again"),
        "leave": _("leave it"),
    }


def _next_lines(decision: NextDecision, zone: ZoneInfo) -> Iterator[str]:
    outcomes = {
        "act": _("it would go out"),
        "in_flight": _("it is with the provider"),
        "waits": _("it waits"),
        "postpone": _("it would be postponed"),
        "skip": _("it would be skipped"),
        "exit": _("the enrolment would end"),
    }
    until = f", {local(decision.until, zone)}" if decision.until else ""
    yield f"  → {outcomes[decision.outcome]}{until}"
    if decision.reason:
        yield f"     {explained(decision.reason)} {remedy(decision.reason)}"
    if decision.first_at:
        yield "     " + _("First possible moment: %(moment)s.") % {"moment": local(decision.first_at, zone)}
    for code in decision.to_change:
        if code != decision.reason:
            yield "     " + _("What would have to change: %(means)s %(remedy)s") % {
                "means": explained(code),
                "remedy": remedy(code),
            }
    yield from (f"     {_check_line(check, zone)}" for check in decision.checks)


def _check_line(check: dict[str, Any], zone: ZoneInfo) -> str:
    values = {key: value for key, value in check.items() if key not in ("check", "passed")}
    return f"{'✓' if check['passed'] else '✗'} {check_told(check['check'], values, zone, CHECKS)}"
