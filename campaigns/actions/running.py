"""Standing still and going on: one campaign, a brokerage, the whole platform."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext_lazy

from brokers.actions import platform_stop
from brokers.models import Broker, Platform, User
from brokers.refusal import Refused
from campaigns import sql
from campaigns.actions.locking import locked, wrong_status
from campaigns.enrollment import enroll_leads
from campaigns.models import Campaign, CampaignLog, CampaignStatus, Enrollment, EnrollmentStatus, Trigger
from campaigns.plans import is_sandbox
from campaigns.triggers import OVERLAP, Became, Window, became
from leads.models import Lead

STANDING = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)
SKIPPED_ON_RESUME = "skipped_on_resume"


class ResumePolicy(models.TextChoices):
    """What becomes of the steps that were due while the campaign was paused."""

    SHIFT = "shift", gettext_lazy("Shift: everything is due later by the pause")
    SEND = "send", gettext_lazy("Send: what is overdue goes out from now on")
    SKIP = "skip", gettext_lazy("Skip: overdue steps are left out, the next ones follow")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a paused campaign: rows in all, those overdue now, and the leads that qualified meanwhile and may
    enter (None for a manual campaign, which collects nobody)."""

    waiting: int
    overdue: int
    qualified: int | None


@transaction.atomic
def pause(*, campaign: Campaign, now: datetime, by: User | None = None) -> Campaign:
    """After this returns nothing more is decided; only batches begun before may still go out."""
    current = locked(campaign)
    if current.status != CampaignStatus.ACTIVE:
        raise wrong_status(current, CampaignStatus.ACTIVE)
    current.status, current.paused_at = CampaignStatus.PAUSED, now
    current.save(update_fields=["status", "paused_at"])
    return current


@transaction.atomic
def resume(
    *,
    campaign: Campaign,
    now: datetime,
    by: User | None = None,
    policy: str = ResumePolicy.SHIFT,
    collect: bool = False,
) -> Campaign:
    """Go on. `policy` says what becomes of what was due meanwhile; `collect` also takes in the leads that qualified
    meanwhile, otherwise it collects from now. Raises Refused `wrong_status`, `policy_unknown`.
    """
    if collect:
        sql.run(sql.LOCK_CAMPAIGN, {"campaign": str(campaign.pk)})  # as an intake does it: before the campaign's row
    current = locked(campaign)
    if current.status != CampaignStatus.PAUSED or current.paused_at is None:
        raise wrong_status(current, CampaignStatus.PAUSED)
    if policy not in ResumePolicy.values:
        allowed = ", ".join(ResumePolicy.values)
        raise Refused("policy_unknown", f"policy={policy!r} is not allowed; use one of {allowed}")
    qualified = _became_meanwhile(current, now) if collect else None
    _catch_up(current, policy, now)
    current.status, current.paused_at, current.collects_from = CampaignStatus.ACTIVE, None, now
    current.save(update_fields=["status", "paused_at", "collects_from"])
    if qualified is not None:
        _collect(current, qualified, now)
    return current


def backlog(campaign: Campaign, now: datetime) -> Backlog:
    """What `resume` would find at `now`. Raises Refused `wrong_status`."""
    if campaign.status != CampaignStatus.PAUSED:
        raise wrong_status(campaign, CampaignStatus.PAUSED)
    counts = _waiting(campaign).aggregate(waiting=Count("id"), overdue=Count("id", filter=Q(due_at__lte=now)))
    qualified = _became_meanwhile(campaign, now)
    return Backlog(**counts, qualified=None if qualified is None else _may_enter(campaign, qualified[0], now).count())


def _catch_up(campaign: Campaign, policy: str, now: datetime) -> None:
    if policy == ResumePolicy.SHIFT:
        _shift(campaign, min(_stood_still_from(campaign, _stops(campaign.broker_id))), now)
    elif policy == ResumePolicy.SEND:
        sql.rows(sql.LOCK_WAITING, {"campaign": campaign.pk})
        _waiting(campaign).filter(due_at__lte=now).update(due_at=now, planned_at=now)
    else:
        sql.run(sql.SKIP_OVERDUE, {"campaign": campaign.pk, "now": now, "reason": SKIPPED_ON_RESUME})


def _became_meanwhile(campaign: Campaign, now: datetime) -> Became | None:
    """Who became what the campaign waits for while it was paused; the moments just before no pass may have seen."""
    if campaign.triggered_by == Trigger.MANUAL or campaign.paused_at is None:
        return None
    since = max(campaign.paused_at - OVERLAP, campaign.collects_from or campaign.paused_at)
    return became(campaign, Window(since, now))


def _may_enter(campaign: Campaign, leads: QuerySet[Lead], now: datetime) -> QuerySet[Lead]:
    """Those of them whom the re-entry rule lets in; how many find room is only known when they enter."""
    entries = Enrollment.objects.filter(campaign=campaign, lead=OuterRef("pk"), sandbox=is_sandbox(campaign))
    if campaign.reentry_after_days is not None:
        free_since = now - timedelta(days=campaign.reentry_after_days)
        ended = entries.annotate(ended_at=Coalesce("finished_at", "enrolled_at"))
        entries = ended.filter(Q(status=EnrollmentStatus.ACTIVE) | Q(ended_at__gt=free_since))
    return leads.filter(~Exists(entries), deleted_at=None)


def _collect(campaign: Campaign, qualified: Became, now: datetime) -> None:
    leads, evidence, happened_at = qualified
    trigger = campaign.triggered_by
    enroll_leads(campaign=campaign, leads=leads, trigger=trigger, now=now, evidence=evidence, happened_at=happened_at)
    campaign.refresh_from_db(fields=["enrolled_count"])


def stop_sending(*, broker: Broker, now: datetime, by: User | None = None) -> None:
    """The kill switch: nothing more is decided for any campaign of this brokerage."""
    Broker.objects.filter(pk=broker.pk, sending_paused_at=None).update(sending_paused_at=now)


@transaction.atomic
def go_on_sending(*, broker: Broker, now: datetime, by: User | None = None) -> None:
    """Go on where it stopped: everything is due later by the stop."""
    campaigns = locked_standing(Campaign.objects.filter(broker=broker))
    stopped_at = Broker.objects.select_for_update(no_key=True).get(pk=broker.pk).sending_paused_at
    if stopped_at is not None:
        _go_on(campaigns, stopped_at, {broker.pk: platform_stop()}, now)
        Broker.objects.filter(pk=broker.pk).update(sending_paused_at=None)


@transaction.atomic
def stop_platform(*, now: datetime, by: User | None = None) -> None:
    """The kill switch of the platform: nothing more is decided for anybody."""
    Platform.objects.get_or_create(pk=1)
    Platform.objects.filter(pk=1, sending_paused_at=None).update(sending_paused_at=now)


@transaction.atomic
def go_on_platform(*, now: datetime, by: User | None = None) -> None:
    """Go on where it stopped; a brokerage that was stopped on its own stays stopped."""
    campaigns = locked_standing(Campaign.objects.all())
    stopped_at = Platform.objects.select_for_update(no_key=True).values_list("sending_paused_at", flat=True).first()
    if stopped_at is not None:
        _go_on(campaigns, stopped_at, dict(Broker.objects.values_list("pk", "sending_paused_at")), now)
        Platform.objects.update(sending_paused_at=None)


def _go_on(
    campaigns: Iterable[Campaign], stopped_at: datetime, others: dict[int, datetime | None], now: datetime
) -> None:
    """What waited for this stop is due later by it, up to where the next reason to stand still takes over, which moves
    the rest when it ends."""
    for campaign in campaigns:
        since = max(stopped_at, campaign.collects_from or stopped_at)
        _shift(campaign, since, min(filter(None, (now, campaign.paused_at, others[campaign.broker_id]))))


def locked_standing(campaigns: QuerySet[Campaign]) -> list[Campaign]:
    rows = campaigns.filter(status__in=STANDING).select_for_update(no_key=True)
    return list(rows.order_by("id"))


def _stops(broker_id: int) -> list[datetime]:
    """When the stops began that this brokerage stands under; asked anew, as who waited for the campaign's lock may
    have waited for a stop to end."""
    own = Broker.objects.values_list("sending_paused_at", flat=True).get(pk=broker_id)
    return [stop for stop in (own, platform_stop()) if stop is not None]


def _stood_still_from(campaign: Campaign, stops: Iterable[datetime]) -> Iterable[datetime]:
    """Since when a paused campaign stands still; a resume meanwhile moved what was before it."""
    assert campaign.paused_at is not None
    yield campaign.paused_at
    yield from (max(stop, campaign.collects_from or stop) for stop in stops)


def _waiting(campaign: Campaign) -> QuerySet[CampaignLog]:
    return CampaignLog.objects.filter(campaign=campaign).waiting()


def _shift(campaign: Campaign, since: datetime, until: datetime) -> None:
    """What waited from `since`, or from when it was written, to `until` is due later by that long."""
    if since < until:
        sql.rows(sql.LOCK_WAITING, {"campaign": campaign.pk})
        length = Value(until) - Greatest(Value(since), F("created_at"))
        rows = _waiting(campaign).filter(created_at__lt=until)
        rows.update(due_at=F("due_at") + length, planned_at=F("planned_at") + length)
