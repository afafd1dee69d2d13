"""What campaigns know of a lead: enrolments and steps that contacted nobody. See leads.rooms."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from brokers.refusal import Refused
from campaigns import sql
from campaigns.exits import end_enrolments_of
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment, EnrollmentStatus, LogStatus
from campaigns.reasons import explained
from campaigns.uniting import Standing, endings
from leads.models import Lead, MergeRecord
from leads.rooms import Moved
from leads.timeline import Before, Entry, in_order, newest

MERGED = "merged"
ENROLMENTS = Enrollment._meta.db_table


def entries(lead_ids: Sequence[int], before: Before | None, limit: int) -> list[Entry]:
    """Three statements; what was sent, messaging and voice tell."""
    rows = Enrollment.objects.filter(lead__in=lead_ids).select_related("campaign")
    rows = rows.filter(campaign__broker__in=Lead.objects.filter(pk__in=lead_ids).values("broker"))
    skipped = CampaignLog.objects.filter(lead__in=lead_ids, status__in=(LogStatus.SKIPPED, LogStatus.FAILED))
    found = [
        *map(_begun, newest(rows, moment="enrolled_at", kind="enrolment", before=before, limit=limit)),
        *map(_over, newest(_ended(rows), moment="finished_at", kind="enrolment_end", before=before, limit=limit)),
        *map(
            _unsent,
            newest(skipped.select_related("campaign"), moment="executed_at", kind="step", before=before, limit=limit),
        ),
    ]
    return in_order(found, limit)


def _ended(rows: Any) -> Any:
    return rows.exclude(finished_at=None)


def _begun(row: Enrollment) -> Entry:
    is_held_out = row.status == EnrollmentStatus.HELD_OUT
    title = _("Held out of campaign %(name)s") if is_held_out else _("Entered campaign %(name)s")
    return Entry(row.enrolled_at, "enrolment", row.pk, title % {"name": row.campaign.name})


def _over(row: Enrollment) -> Entry:
    assert row.finished_at is not None
    title = _("Campaign %(name)s: %(status)s") % {"name": row.campaign.name, "status": row.get_status_display()}
    text = explained(row.exit_reason) if row.exit_reason else ""
    return Entry(row.finished_at, "enrolment_end", row.pk, title, text)


def _unsent(row: CampaignLog) -> Entry:
    assert row.executed_at is not None
    words = {"name": row.campaign.name, "step": row.step_number, "status": row.get_status_display()}
    title = _("Campaign %(name)s, step %(step)d: %(status)s") % words
    return Entry(row.executed_at, "step", row.pk, title, explained(row.reason))


def upcoming(lead: Lead) -> list[Entry]:
    """The next automatic steps, those of paused campaigns too."""
    pending = CampaignLog.objects.filter(lead=lead, broker=lead.broker_id, status=LogStatus.PENDING)
    return [_next_step(row) for row in pending.select_related("campaign").order_by("due_at", "id")]


def _next_step(row: CampaignLog) -> Entry:
    what = " · ".join(map(str, filter(None, (row.get_action_display(), row.channel))))
    words = {"name": row.campaign.name, "step": row.step_number, "what": what}
    title = _("Campaign %(name)s, step %(step)d: %(what)s") % words
    return Entry(row.due_at, "next_step", row.pk, title, _held_by(row))


def _held_by(row: CampaignLog) -> str:
    if row.dispatched_at is not None:
        return _("It is being carried out.")
    if row.campaign.status == CampaignStatus.PAUSED:
        return _("The campaign is paused.")
    return explained(row.reason) if row.reason else ""


def standings(into: Lead, from_: Lead) -> list[Standing]:
    params = {"broker": into.broker_id, "leads": [into.pk, from_.pk]}
    return [Standing(*row) for row in sql.rows(sql.STANDINGS, params)]


def merge(into: Lead, from_: Lead, now: datetime) -> Moved:
    """What is over for either ends first, as it would have with the next pass."""
    sql.rows(sql.LOCK_BOTH, {"leads": [into.pk, from_.pk]})
    end_enrolments_of([into.pk, from_.pk], now)
    found = standings(into, from_)
    ended = endings(found)
    _end(ended, into, from_, now)
    numbers = dict(Enrollment.objects.filter(pk__in=[one.id for one in found]).values_list("pk", "entry"))
    moving = [one.id for one in found if one.lead_id == from_.pk]
    for statement in (sql.MOVE_ENROLMENTS, sql.MOVE_LOGS):
        sql.run(statement, {"into": into.pk, "ids": moving})
    before = {"entries": [numbers[one] for one in moving], "ended": [one.id for one in ended]}
    return Moved(rows={ENROLMENTS: moving}, before={"enrolments": before})


def foretell(into: Lead, from_: Lead) -> list[str]:
    """Where each campaign goes on, and which enrolment ends for it."""
    found = standings(into, from_)
    over = {one.id for one in endings(found)}
    names = dict(Campaign.objects.filter(pk__in={one.campaign_id for one in found}).values_list("pk", "name"))
    whose = {into.pk: into, from_.pk: from_}
    words = {
        True: _("%(campaign)s: ends for %(lead)s, at step %(step)d"),
        False: _("%(campaign)s: goes on at step %(step)d"),
    }
    return [
        words[one.id in over] % {"campaign": names[one.campaign_id], "lead": whose[one.lead_id], "step": one.waits_at}
        for one in found
        if one.is_active
    ]


def _end(ended: Sequence[Standing], into: Lead, from_: Lead, now: datetime) -> None:
    """A step that is being sent just now settles, and nothing follows."""
    response = json.dumps({"merged": {"into": into.pk, "from": from_.pk, "at": now.isoformat()}})
    waiting = [one.log_id for one in ended if one.log_id is not None]
    rows = [sql.Ending(log, LogStatus.SKIPPED, MERGED, response, True, None, None, "", "", None) for log in waiting]
    sql.finish(rows, now)
    Enrollment.objects.filter(pk__in=[one.id for one in ended if one.log_id is None]).update(
        status=EnrollmentStatus.EXITED, exit_reason=MERGED, finished_at=now
    )


def unmerge(record: MergeRecord, now: datetime) -> None:
    """Raises Refused `in_flight` or `busy`."""
    ids, was = record.moved.get(ENROLMENTS, []), record.before["enrolments"]
    _check_nothing_is_sent([*ids, *was["ended"]])
    _hold_campaigns([*ids, *was["ended"]])
    campaigns = list(Enrollment.objects.filter(pk__in=ids).values_list("campaign_id", flat=True))
    params: dict[str, Any] = {"into": record.into_id, "gone": record.gone_id, "ids": ids}
    sql.run(sql.GIVE_BACK_ENROLMENTS, params | {"entries": was["entries"]})
    sql.run(sql.GIVE_BACK_LATER_MESSAGES, params)
    for statement in (*sql.GIVE_BACK_LATER_ROWS, sql.GIVE_BACK_LOGS):
        sql.run(statement, params)
    for further in (FURTHER, 0):
        sql.run(sql.COUNT_ANEW, {"lead": record.into_id, "campaigns": campaigns, "further": further})
    again = sql.rows(sql.GO_ON_ENROLMENTS, {"ids": was["ended"], "reason": MERGED})
    sql.run(sql.GO_ON_LOGS, {"ids": [number for (number,) in again], "reason": MERGED})


# More than one lead's entries into one campaign.
FURTHER = 10_000


def _check_nothing_is_sent(enrolments: Sequence[int]) -> None:
    if CampaignLog.objects.in_flight().filter(enrollment__in=enrolments).exists():
        raise Refused("in_flight", _("A campaign's step is being sent to them just now; try again in some minutes."))


def _hold_campaigns(enrolments: Sequence[int]) -> None:
    """Nobody completes them meanwhile. Who changes a campaign locks it before its leads: we do not wait."""
    wanted = Campaign.objects.filter(enrollments__in=enrolments).values_list("pk", flat=True)
    ids = set(wanted)
    held = Campaign.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=ids).order_by("pk")
    if len(held) < len(ids):
        raise Refused("busy", _("A campaign of theirs is being changed just now; try again in a moment."))
