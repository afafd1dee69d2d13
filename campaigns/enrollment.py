"""The one verb that takes leads into a campaign, whatever the way in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, F, JSONField, QuerySet, Value
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from campaigns import sql
from campaigns.models import Campaign, CampaignStatus, CampaignStep
from campaigns.plans import is_sandbox, step_channel
from leads.models import Lead
from leads.statements import named

SLICE = 10_000


@dataclass(frozen=True, slots=True)
class Intake:
    """What one call took in. `left_out` were in already, may not enter again, or found the campaign full."""

    candidates: int = 0
    enrolled: int = 0
    held_out: int = 0

    @property
    def left_out(self) -> int:
        return self.candidates - self.enrolled - self.held_out

    def __add__(self, other: "Intake") -> "Intake":
        return Intake(
            self.candidates + other.candidates, self.enrolled + other.enrolled, self.held_out + other.held_out
        )


def enroll_leads(
    *,
    campaign: Campaign,
    leads: QuerySet[Lead],
    trigger: str,
    now: datetime,
    evidence: Any = None,
    happened_at: Any = None,
    slice_size: int = SLICE,
) -> Intake:
    """Take leads of the campaign's broker in, each at most as often as the re-entry rule allows.

    `leads` may be any filter; leads of other brokers and deleted ones are left aside. `evidence` and `happened_at` are
    expressions over the lead: what brought it here, and when (an event older than the last entry is no new one).
    Committed in slices of `slice_size`, each under the campaign's lock. Raises Refused `not_active`.
    """
    _check_active(Campaign.objects.get(pk=campaign.pk))
    candidates = leads.present().filter(broker=campaign.broker_id).order_by()  # type: ignore[attr-defined]
    statement, params = named(
        candidates.annotate(
            lead_id=F("id"),
            evidence=Value({}, output_field=JSONField()) if evidence is None else evidence,
            happened_at=Value(None, output_field=DateTimeField()) if happened_at is None else happened_at,
        ).values("lead_id", "evidence", "happened_at")
    )
    total = Intake()
    for low, high, count in _slices(statement, params, slice_size):
        bounds = params | {"low": low, "high": high}
        enrolled, held_out = _enroll_slice(campaign, statement, bounds, trigger, now)
        total += Intake(count, enrolled, held_out)
    return total


def _slices(statement: str, params: dict[str, Any], size: int) -> Iterator[tuple[int, int, int]]:
    low = 0
    while True:
        high, count = sql.rows(sql.SLICE_END.format(candidates=statement), params | {"low": low, "size": size})[0]
        if not count:
            return
        yield low, high, count
        low = high


@transaction.atomic
def _enroll_slice(
    campaign: Campaign, statement: str, params: dict[str, Any], trigger: str, now: datetime
) -> tuple[int, int]:
    """One slice, with status, version and room as they are under the lock."""
    sql.run(sql.LOCK_CAMPAIGN, {"campaign": str(campaign.pk)})
    # The row too: pausing, completing and editing lock it, and none of them may happen within a slice.
    current = Campaign.objects.select_for_update(no_key=True, of=("self",)).select_related("broker").get(pk=campaign.pk)
    _check_active(current)
    room = None if current.max_contacts is None else max(0, current.max_contacts - current.enrolled_count)
    first = CampaignStep.objects.get(campaign=current, version=current.version, step_number=1)
    enrolled, held_out = sql.rows(
        sql.ENROLL.format(candidates=statement),
        params | _entry(current, first, now) | {"trigger": trigger, "room": room},
    )[0]
    if enrolled:
        Campaign.objects.filter(pk=current.pk).update(enrolled_count=F("enrolled_count") + enrolled)
    return enrolled, held_out


def _check_active(campaign: Campaign) -> None:
    if campaign.status != CampaignStatus.ACTIVE:
        raise Refused(
            "not_active",
            _("Campaign %(name)s is %(status)s; activate it before it takes leads in.")
            % {"name": campaign.name, "status": campaign.get_status_display()},
        )


def _entry(campaign: Campaign, first: CampaignStep, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "broker": campaign.broker_id,
        "version": campaign.version,
        "holdout": campaign.holdout_percent,
        "reentry": campaign.reentry_after_days,
        "sandbox": is_sandbox(campaign),
        "step": first.pk,
        "number": first.step_number,
        "action": first.action,
        "channel": step_channel(first.action, first.channel, campaign.channel),
        "due": now + first.delay,
        "now": now,
    }


def is_held_out(campaign_id: int, lead_id: int, percent: int) -> bool:
    """Whether the lead belongs to the hold-out; the same hash as in campaigns.sql.ENROLL."""
    return int(md5(f"{campaign_id}:{lead_id}".encode()).hexdigest()[:8], 16) % 100 < percent


def chosen_leads(campaign: Campaign, ids: list[int]) -> QuerySet[Lead]:
    """These leads of the campaign's broker. Raises Refused `lead_unknown` naming the ones that are not."""
    found = Lead.objects.present().filter(broker=campaign.broker_id, pk__in=ids)
    missing = sorted(set(ids) - set(found.values_list("pk", flat=True)))
    if missing:
        raise Refused("lead_unknown", f"leads={missing[0]} is no lead of this brokerage")
    return found
