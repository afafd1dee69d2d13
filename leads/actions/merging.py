"""Two leads who are one person become one, and two again within a day."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.assigning import Handing, hand_out
from leads.actions.moves import write_move
from leads.actions.standing import locked, settle, stage_by_itself
from leads.consents import opted_out_at
from leads.families import survivor_id
from leads.models import AssignmentCause, Cause, ContactPermission, Lead, MergeRecord, StageTransition
from leads.rooms import rooms
from leads.uniting import COUNTED, United, unite

UNDO_WITHIN = timedelta(hours=24)
# What comes next is read from the rows when they have moved.
LOOKED_AHEAD = ("next_task_at", "next_appointment_at")
# A campaign may take one of them in at the very moment in which its enrolments change hands.
ATTEMPTS = 5


def merge_leads(*, into: Lead, from_: Lead, now: datetime, by: User | None = None) -> MergeRecord:
    """`from_` becomes part of `into`, which keeps what it knows; doing it twice is doing it once.

    What belongs to `from_` moves, its stage and score histories stay its own and are read along. Nothing that either
    took back is given again, and no campaign goes on twice. Raises Refused `same_lead`, `other_broker`, `lead_gone`.
    """
    for attempt in range(ATTEMPTS):
        try:
            return _merge(into, from_, now, by)
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


@transaction.atomic
def _merge(into: Lead, from_: Lead, now: datetime, by: User | None) -> MergeRecord:
    kept, gone = _locked_pair(into, from_)
    earlier = MergeRecord.objects.filter(into=kept, gone=gone, undone_at=None).first()
    if earlier is not None:
        return earlier
    check_pair(kept, gone)
    united = unite(kept, gone)
    given = [room.merge(kept, gone, now) for room in rooms()]
    Lead.objects.filter(pk=gone.pk).update(deleted_at=now, merged_into=kept, updated_at=now)
    Lead.objects.filter(pk=kept.pk).update(**united.values, updated_at=now)
    _hand(kept, gone.assigned_to_id if kept.assigned_to_id is None else kept.assigned_to_id, by, now)
    before = _before(kept, united)
    _score(kept, now)
    return MergeRecord.objects.create(
        broker_id=kept.broker_id,
        into=kept,
        gone=gone,
        by=by,
        at=now,
        moved={table: ids for moved in given for table, ids in moved.rows.items()},
        before=before | {key: value for moved in given for key, value in moved.before.items()},
    )


def _hand(lead: Lead, to_id: int | None, by: User | None, now: datetime) -> None:
    hand_out([Handing(lead.pk, to_id)], cause=AssignmentCause.MERGE, by=by, now=now)


def _score(lead: Lead, now: datetime) -> None:
    """The score is no event of its own and fires nothing; the lead goes on by what is known now, as at night."""
    settle(locked(lead), now=now, cause=Cause.CORRECTION)


def _locked_pair(one: Lead, other: Lead) -> tuple[Lead, Lead]:
    """Both as they are now, locked in the order of their ids, as everybody does."""
    if one.pk == other.pk:
        raise _same_lead()
    rows = Lead.objects.select_for_update(no_key=True, of=("self",)).select_related("broker").order_by("pk")
    found = {lead.pk: lead for lead in rows.filter(pk__in=(one.pk, other.pk))}
    return found[one.pk], found[other.pk]


def check_pair(kept: Lead, gone: Lead) -> None:
    """Raises Refused `same_lead`, `other_broker` or `lead_gone`."""
    if kept.pk == gone.pk:
        raise _same_lead()
    if kept.broker_id != gone.broker_id:
        raise Refused("other_broker", _("Leads of two brokerages cannot be merged."))
    for lead in (kept, gone):
        if lead.merged_into_id is not None:
            survivor = Lead.objects.get(pk=survivor_id(lead.pk))
            message = _("%(lead)s has been merged into %(survivor)s already; look there.")
            raise Refused("lead_gone", message % {"lead": lead, "survivor": survivor})
        if lead.deleted_at is not None:
            raise Refused("lead_gone", _("%(lead)s has been deleted.") % {"lead": lead})


def _same_lead() -> Refused:
    return Refused("same_lead", _("This is one lead; choose two to merge."))


def _before(kept: Lead, united: United) -> dict[str, Any]:
    """What `into` had and has, in the columns that change; of counts and JSON, what was added."""
    inside = {*united.keys, *COUNTED, "tags", *LOOKED_AHEAD}
    changed = {column: value for column, value in united.values.items() if column not in inside}
    return {
        "columns": {column: [_plain(getattr(kept, column)), _plain(value)] for column, value in changed.items()},
        "counts": {
            column: value - getattr(kept, column) for column, value in united.values.items() if column in COUNTED
        },
        "keys": united.keys,
        "tags": united.tags,
        "assigned_to": kept.assigned_to_id,
        "newest_move": StageTransition.objects.filter(lead=kept).aggregate(id=Max("id"))["id"],
    }


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))


@transaction.atomic
def unmerge_leads(*, record: MergeRecord, now: datetime, by: User | None = None) -> MergeRecord:
    """Two leads again, each with what it had; what came after the merge stays with the one that was kept, but for
    what campaigns went on to do, which goes with them. Doing it twice is doing it once.

    Raises Refused `too_late`, `lead_gone`, `address_taken`, or what a room finds in its way (`in_flight`, `busy`).
    """
    kept, gone = _locked_pair(record.into, record.gone)
    current = MergeRecord.objects.get(pk=record.pk)
    if current.undone_at is not None:
        return current
    if now - current.at > UNDO_WITHIN:
        raise Refused("too_late", _("A merge can be undone within 24 hours; this one is older."))
    _check_present(kept)
    current.into, current.gone = kept, gone
    for room in rooms():
        room.unmerge(current, now)
    values = _restored(locked(kept), current.before)
    Lead.objects.filter(pk=kept.pk).update(**values, updated_at=now)
    _bring_back(gone, now)
    if kept.assigned_to_id == gone.assigned_to_id and current.before["assigned_to"] is None:
        _hand(kept, None, by, now)
    for lead in (kept, gone):
        _hear_again(lead.pk)
    _take_back(kept, current.before.get("newest_move") or 0, now)
    for lead in (kept, gone):
        _score(lead, now)
    MergeRecord.objects.filter(pk=current.pk).update(undone_at=now, undone_by=by)
    return MergeRecord.objects.get(pk=current.pk)


def _take_back(kept: Lead, newest_move: int, now: datetime) -> None:
    """Where the other lead's facts alone moved the one who was kept, and nobody else did since, this is undone too.

    A merge of an earlier version noted no move (0): then the birth is looked at too, which is no fact's doing, and all
    stays.
    """
    moves = list(StageTransition.objects.filter(lead=kept, id__gt=newest_move).order_by("id"))
    if not moves or any(move.cause != Cause.AUTO for move in moves):
        return
    fresh = locked(kept)
    own = stage_by_itself(fresh, begins_in=moves[0].from_stage, now=now)
    if own != fresh.pipeline_stage:
        write_move(fresh, to=own, now=now, cause=Cause.CORRECTION, reason=_("A merge was undone"))


def _hear_again(lead_id: int) -> None:
    """Whether they have opted out: meanwhile something may have been said of an address that is theirs again."""
    rules = ContactPermission.objects.binding(Lead.objects.get(pk=lead_id))
    Lead.objects.filter(pk=lead_id).update(opted_out_at=opted_out_at(list(rules)))


def _check_present(kept: Lead) -> None:
    if kept.merged_into_id is not None:
        message = _("%(lead)s has been merged into %(survivor)s since; undo that first.")
        raise Refused("lead_gone", message % {"lead": kept, "survivor": kept.merged_into})
    if kept.deleted_at is not None:
        raise Refused("lead_gone", _("%(lead)s has been deleted since.") % {"lead": kept})


def _bring_back(gone: Lead, now: datetime) -> None:
    try:
        with transaction.atomic():
            Lead.objects.filter(pk=gone.pk).update(deleted_at=None, merged_into=None, updated_at=now)
    except IntegrityError as error:
        taken = ", ".join(filter(None, (gone.phone, gone.telegram_chat_id)))
        message = _("Another lead has %(addresses)s by now; change that first.")
        raise Refused("address_taken", message % {"addresses": taken}) from error


def _restored(kept: Lead, before: Mapping[str, Any]) -> dict[str, Any]:
    """The columns as they were, where nobody changed them since."""
    values: dict[str, Any] = {}
    for column, (earlier, given) in before["columns"].items():
        if _plain(getattr(kept, column)) == given:
            values[column] = Lead._meta.get_field(column).to_python(earlier)
    for column, added in before["counts"].items():
        left = getattr(kept, column) - added
        values[column] = left if column == "call_score" else max(left, 0)  # some of it may be gone since
    for column, added in before["keys"].items():
        now_has = getattr(kept, column)
        values[column] = {key: value for key, value in now_has.items() if key not in added or value != added[key]}
    values["tags"] = [tag for tag in kept.tags if tag not in before["tags"]]
    return values
