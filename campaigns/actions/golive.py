"""From the sandbox into the world."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from campaigns import sql
from campaigns.actions.running import locked_standing
from campaigns.models import Campaign
from messaging.models import ChannelAccount
from messaging.providers import adapter_for

WENT_LIVE = "went_live"


@dataclass(frozen=True, slots=True)
class Launch:
    """The channels that reach real people from now on, and how many sandbox enrolments ended."""

    channels: tuple[str, ...]
    ended: int


@transaction.atomic
def go_live(*, broker: Broker, now: datetime, by: User | None = None) -> Launch:
    """Every channel with a real account uses it from now on, and everything on the sandbox ends: nobody who was only
    played with hears of it. Leads may enter the same campaigns anew, for real.

    Raises Refused `not_ready` with what is missing; then nothing has changed.
    """
    list(locked_standing(Campaign.objects.filter(broker=broker)))  # no intake meanwhile
    accounts = _real_accounts(broker)
    ChannelAccount.objects.filter(broker=broker, channel__in=accounts, is_default=True).update(is_default=False)
    ChannelAccount.objects.filter(pk__in=[account.pk for account in accounts.values()]).update(is_default=True)
    ended = sql.rows(sql.END_SANDBOX, {"broker": broker.pk, "now": now, "reason": WENT_LIVE})[0][0]
    return Launch(tuple(sorted(accounts)), ended)


def launch_preview(broker: Broker) -> Launch:
    """What `go_live` would do. Raises Refused `not_ready`."""
    accounts = _real_accounts(broker)
    return Launch(tuple(sorted(accounts)), sql.rows(sql.COUNT_SANDBOX, {"broker": broker.pk})[0][0])


def _real_accounts(broker: Broker) -> dict[str, ChannelAccount]:
    """The real account of each channel that has one: the default, else the newest."""
    rows = ChannelAccount.objects.filter(broker=broker, sandbox=False, is_active=True).order_by("is_default", "pk")
    accounts = {row.channel: row for row in rows}
    faults = [f"{row}: {fault}" for row in accounts.values() for fault in adapter_for(row).faults()]
    if not accounts:
        faults = [_("There is no real account yet; add one for at least one channel.")]
    if faults:
        raise Refused("not_ready", faults=faults)
    return accounts
