"""What campaigns brought about: goals of those they took in, and of the treated beside the held-out.

Definitions: docs/figures.md.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Enrollment
from campaigns.stats import Interval, is_too_small, newcombe
from leads.figures import Scope, Spread
from leads.figures.history import MOVES, filled, in_period, measured, share, spread
from leads.models import Stage
from leads.statements import fetched

# As long as a lead has to reach the goal, where nobody says otherwise.
DAYS = 30
# The goal of a campaign that has none of its own: a booking.
BOOKING = Stage.AGENDADO


class Verdict(TextChoices):
    TOO_SMALL = "too_small", _("too few to say")
    UNPROVEN = "unproven", _("not proven yet")
    BETTER = "better", _("the campaign helps")
    WORSE = "worse", _("the campaign harms")


@dataclass(frozen=True, slots=True)
class CampaignConversion:
    """Leads that a campaign took in and treated; the `too_young` had not their days yet and count nowhere else."""

    campaign_id: int
    name: str
    goal: str
    treated: int
    too_young: int
    contacted: int
    reached: int
    took: Spread

    @property
    def share(self) -> float | None:
        return share(self.reached, self.treated)


@dataclass(frozen=True, slots=True)
class Arm:
    """Leads of one kind, and how many of them reached the goal."""

    size: int
    reached: int

    @property
    def share(self) -> float | None:
        return share(self.reached, self.size)


NOBODY = Arm(0, 0)


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Treated beside held-out leads of one campaign; shares and their difference between −1 and 1.

    `beside` treated ones were taken in when nobody was held out, so that nobody can be compared with them.
    """

    campaign_id: int
    name: str
    goal: str
    within_days: int
    treated: Arm = NOBODY
    held_out: Arm = NOBODY
    too_young: int = 0
    beside: int = 0

    @property
    def difference(self) -> float | None:
        if self.treated.share is None or self.held_out.share is None:
            return None
        return self.treated.share - self.held_out.share

    @property
    def interval(self) -> Interval | None:
        """Newcombe's, 95 %."""
        return None if self.difference is None else newcombe(*self._arms())

    @property
    def verdict(self) -> Verdict:
        interval = self.interval
        if interval is None or is_too_small(*self._arms()):
            return Verdict.TOO_SMALL
        if interval.low <= 0 <= interval.high:
            return Verdict.UNPROVEN
        return Verdict.BETTER if interval.low > 0 else Verdict.WORSE

    def _arms(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.treated.reached, self.treated.size), (self.held_out.reached, self.held_out.size)


# A lead counts once a campaign, by its first entry, and in the arm it then was in. What a campaign itself moved to the
# goal has not reached it.
ENTERED = f"""
WITH {MOVES}, entered AS (
    SELECT e.id, e.campaign_id, e.lead_id, e.enrolled_at, e.status = 'held_out' AS is_held,
           e.enrolled_at > %(now)s - %(within)s::interval AS is_young,
           coalesce(%(goal)s, nullif(p.goal_stage, ''), '{BOOKING}') AS goal, p.name
    FROM campaigns_enrollment e JOIN campaigns_campaign p ON p.id = e.campaign_id JOIN chosen c ON c.id = e.lead_id
    WHERE p.broker_id = %(broker)s AND (%(campaign)s::bigint IS NULL OR p.id = %(campaign)s)
      AND e.entry = 1 AND e.sandbox = %(sandbox)s AND e.enrolled_at <= %(now)s AND {in_period("e.enrolled_at")}
), reached AS (
    SELECT e.id, min(m.at) - e.enrolled_at AS took
    FROM entered e JOIN moves m ON m.lead_id = e.lead_id AND m.to_stage = e.goal
     AND m.at > e.enrolled_at AND m.at <= e.enrolled_at + %(within)s::interval
    WHERE m.is_seen AND m.cause <> 'campaign' AND NOT e.is_young
    GROUP BY e.id, e.enrolled_at
)
"""
CAMPAIGNS = f"""
SELECT e.campaign_id, e.name, e.goal, count(*) FILTER (WHERE NOT e.is_young), count(*) FILTER (WHERE e.is_young),
       count(*) FILTER (WHERE NOT e.is_young AND EXISTS (
           SELECT FROM campaigns_campaignlog l
           WHERE l.enrollment_id = e.id AND l.status = 'sent' AND l.message_id IS NOT NULL)),
       count(r.took), {spread("r.took")}
FROM entered e LEFT JOIN reached r ON r.id = e.id
WHERE NOT e.is_held
GROUP BY e.campaign_id, e.name, e.goal ORDER BY e.campaign_id
"""
ARMS = """
, bounds AS (
    SELECT campaign_id, min(enrolled_at) AS first, max(enrolled_at) AS last
    FROM entered WHERE is_held AND NOT is_young GROUP BY campaign_id
), told AS (
    SELECT e.campaign_id, e.name, e.goal, e.is_young, e.is_held, r.took IS NOT NULL AS is_reached,
           coalesce(e.enrolled_at BETWEEN b.first AND b.last, false) AS is_compared
    FROM entered e LEFT JOIN bounds b USING (campaign_id) LEFT JOIN reached r ON r.id = e.id
)
SELECT campaign_id, name, goal,
       count(*) FILTER (WHERE is_compared AND NOT is_held AND NOT is_young),
       count(*) FILTER (WHERE is_compared AND NOT is_held AND is_reached),
       count(*) FILTER (WHERE is_held AND NOT is_young), count(*) FILTER (WHERE is_held AND is_reached),
       count(*) FILTER (WHERE is_young), count(*) FILTER (WHERE NOT is_young AND NOT is_compared)
FROM told GROUP BY campaign_id, name, goal ORDER BY campaign_id
"""


def conversion_by_campaign(
    scope: Scope, *, goal: str | None = None, within_days: int = DAYS, sandbox: bool = False
) -> list[CampaignConversion]:
    """Campaigns that took leads in during the period, the oldest first; each by its own goal, or by the one given.

    One query.
    """
    rows = fetched(*_entered(CAMPAIGNS, scope, goal, within_days, sandbox))
    return [CampaignConversion(*measured(row)) for row in rows]


def hold_outs(
    scope: Scope,
    *,
    campaign: Campaign | None = None,
    goal: str | None = None,
    within_days: int = DAYS,
    sandbox: bool = False,
) -> list[HoldOut]:
    """Treated beside held-out leads of each campaign, all of them taken in `within_days` ago or longer. One query.

    The goal is the one given, else the campaign's own, else a booking.
    """
    rows = fetched(*_entered(ARMS, scope, goal, within_days, sandbox, campaign))
    return [
        HoldOut(pk, name, its_goal, within_days, Arm(*counts[:2]), Arm(*counts[2:4]), *counts[4:])
        for pk, name, its_goal, *counts in rows
    ]


def hold_out(scope: Scope, campaign: Campaign, *, within_days: int = DAYS, **how: Any) -> HoldOut:
    """The same of one campaign, also when nobody was taken in. One query."""
    found = hold_outs(scope, campaign=campaign, within_days=within_days, **how)
    goal = how.get("goal") or campaign.goal_stage or BOOKING
    return found[0] if found else HoldOut(campaign.pk, campaign.name, goal, within_days)


def _entered(
    what: str, scope: Scope, goal: str | None, within_days: int, sandbox: bool, campaign: Campaign | None = None
) -> tuple[str, dict[str, Any]]:
    if campaign is not None:  # the others of the brokerage need not be read
        taken_in = Enrollment.objects.filter(campaign=campaign, entry=1, sandbox=sandbox)
        scope = replace(scope, leads=scope.leads.filter(pk__in=taken_in.values("lead")))
    return filled(
        ENTERED + what,
        scope,
        deleted=True,
        goal=goal,
        within=timedelta(days=within_days),
        sandbox=sandbox,
        campaign=campaign and campaign.pk,
    )
