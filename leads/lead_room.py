"""What leads know of a lead: inquiries, stages, scores, notes, tasks, meetings, permissions. See leads.rooms."""

from datetime import datetime

from django.db.models import F, Min, Q
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from leads.models import (
    Appointment,
    ContactPermission,
    Inquiry,
    Lead,
    MergeRecord,
    Note,
    OtherAddress,
    Task,
)
from leads.models.permission import PermissionPurpose
from leads.models.work import AppointmentStatus
from leads.rooms import Moved, give_back, move_rows, tell_counts
from leads.strictest import Binding, Rule, Whose, bindings
from leads.timeline_of_leads import entries, upcoming
from leads.uniting import ADDRESSES, lost_addresses

__all__ = ["entries", "foretell", "merge", "unmerge", "upcoming"]

# The histories of stage, score and agent stay where they were written: each is one line without gaps. Offers and
# clocks stay too, and end by themselves, as the lead is gone.
TABLES = (
    "leads_inquiry",
    "leads_note",
    "leads_task",
    "leads_appointment",
    "leads_contactpermission",
    "leads_otheraddress",
)
MERGE = "merge"


def merge(into: Lead, from_: Lead, now: datetime) -> Moved:
    written = _keep_what_binds(into, from_, now) + _keep_notes(into, from_, now)
    others = OtherAddress.objects.bulk_create(
        OtherAddress(broker_id=into.broker_id, lead=into, kind=column, address=address)
        for column, address in lost_addresses(into, from_)
        if not OtherAddress.objects.filter(lead=from_, kind=column, address=address).exists()
    )
    written += [(OtherAddress._meta.db_table, row.pk) for row in others]
    ahead = list(Appointment.objects.live().filter(lead=from_).values_list("pk", flat=True))
    return Moved(rows=move_rows(TABLES, into, from_), before={"written": written, "meetings": ahead})


def foretell(into: Lead, from_: Lead) -> list[str]:
    moving = (Inquiry, Note, Task, Appointment, ContactPermission)
    bound = bindings(_whose(into), _whose(from_), _rules(into, from_))
    words = _("Stays taken back, although the other lead says otherwise: %(channel)s (%(purpose)s)")
    said = [words % {"channel": one.channel, "purpose": _purpose(one)} for one in bound]
    kept = _("Known by from now on too: %(address)s")
    lost = [kept % {"address": address} for _column, address in lost_addresses(into, from_)]
    return [*tell_counts(moving, from_), *said, *lost]


def _purpose(binding: Binding) -> str:
    return str(PermissionPurpose(binding.purpose).label)


def _keep_notes(into: Lead, from_: Lead, now: datetime) -> list[tuple[str, int]]:
    """What was noted on the other lead, where there is a note already."""
    if not from_.notes or not into.notes or from_.notes == into.notes:
        return []
    note = Note.objects.create(broker_id=into.broker_id, lead=into, author=None, text=from_.notes, at=now)
    return [(Note._meta.db_table, note.pk)]


def _keep_what_binds(into: Lead, from_: Lead, now: datetime) -> list[tuple[str, int]]:
    """Write down again what either took back, so that no newer word of the other lead gives it back."""
    rules = _rules(into, from_)
    rows = [
        _bound(into, from_, binding, address, now)
        for binding in bindings(_whose(into), _whose(from_), rules)
        for address in binding.addresses or ("",)
    ]
    written = ContactPermission.objects.bulk_create(rows)
    return [(ContactPermission._meta.db_table, row.pk) for row in written]


def _bound(into: Lead, from_: Lead, binding: Binding, address: str, now: datetime) -> ContactPermission:
    evidence = {"merged": from_.pk, "permission": binding.said} | ({"sandbox": True} if binding.is_played else {})
    return ContactPermission(
        broker_id=into.broker_id,
        lead=into,
        address=address,
        channel=binding.channel,
        kind="revoked",
        purpose=binding.purpose,
        source=MERGE,
        evidence=evidence,
        at=now,
    )


def _rules(into: Lead, from_: Lead) -> list[Rule]:
    addresses = {getattr(lead, column) for lead in (into, from_) for column in ADDRESSES} - {""}
    about = Q(lead__in=(into.pk, from_.pk)) | Q(address__in=addresses)
    return [
        Rule(row.pk, row.lead_id, row.address, row.channel, row.kind, row.purpose, row.at, _is_played(row))
        for row in ContactPermission.objects.filter(about, broker=into.broker_id)
    ]


def _is_played(row: ContactPermission) -> bool:
    return bool(row.evidence.get("sandbox"))


def _whose(lead: Lead) -> Whose:
    return Whose(lead.pk, {column: getattr(lead, column) for column in ADDRESSES})


def unmerge(record: MergeRecord, now: datetime) -> None:
    """What the merge itself wrote is taken away: nobody said it."""
    for model in (ContactPermission, Note, OtherAddress):
        ids = [number for table, number in record.before["written"] if table == model._meta.db_table]
        model._default_manager.filter(pk__in=ids, lead=record.into_id).delete()
    give_back(TABLES, record)
    _give_back_misses(record)
    for lead in (record.into_id, record.gone_id):
        _look_ahead(lead, now)


def _give_back_misses(record: MergeRecord) -> None:
    """A meeting to which nobody came took a booking from the one who was kept: it is the other one's to lose."""
    ahead = record.before.get("meetings", [])
    missed = Appointment.objects.filter(pk__in=ahead, lead=record.gone_id, status=AppointmentStatus.NO_SHOW).count()
    if missed:
        bookings = F("booking_count")
        Lead.objects.filter(pk=record.into_id).update(booking_count=bookings + missed)
        Lead.objects.filter(pk=record.gone_id).update(booking_count=Greatest(bookings - missed, 0))


def _look_ahead(lead_id: int, now: datetime) -> None:
    """What comes next of the rows that are there now."""
    meetings = Appointment.objects.live().filter(lead=lead_id, starts_at__gte=now).aggregate(at=Min("starts_at"))
    tasks = Task.objects.open().with_moment().filter(lead=lead_id).aggregate(at=Min("acts_at"))
    Lead.objects.filter(pk=lead_id).update(next_appointment_at=meetings["at"], next_task_at=tasks["at"])
