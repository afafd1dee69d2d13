"""Who enters a campaign, and when."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import md5
from typing import Any

from tests.campaigns.reference.world import DAY, HOUR, Campaign, Entry, Lead, Log, World


def is_held_out(campaign: Campaign, lead: Lead) -> bool:
    return int(md5(f"{campaign.id}:{lead.id}".encode()).hexdigest()[:8], 16) % 100 < campaign.holdout


def enroll(world: World, campaign: Campaign, happened: Mapping[int, datetime | None], trigger: str) -> list[Entry]:
    """Take these leads in, each with the moment that brought it here (None: chosen by hand)."""
    taken = []
    for lead in sorted((world.leads[pk] for pk in happened), key=lambda lead: lead.id):
        is_full = campaign.max_contacts is not None and campaign.enrolled >= campaign.max_contacts
        if not lead.is_deleted and not is_full and may_enter(world, campaign, lead, happened[lead.id]):
            taken.append(enter(world, campaign, lead, trigger))
    return taken


def entries_of(world: World, campaign: Campaign, lead: Lead) -> list[Entry]:
    return [entry for entry in world.entries if entry.campaign is campaign and entry.lead is lead]


def may_enter(world: World, campaign: Campaign, lead: Lead, happened_at: datetime | None) -> bool:
    earlier = entries_of(world, campaign, lead)
    if not earlier:
        return True
    if campaign.reentry_days is None or any(entry.status == "active" for entry in earlier):
        return False
    ended_at = max(entry.ended_at or entry.at for entry in earlier)
    is_new = happened_at is None or happened_at > max(entry.at for entry in earlier)
    return ended_at + campaign.reentry_days * DAY <= world.now and is_new


def enter(world: World, campaign: Campaign, lead: Lead, trigger: str) -> Entry:
    number = len(entries_of(world, campaign, lead)) + 1
    entry = Entry(campaign, lead, number, campaign.version, trigger, world.now)
    world.entries.append(entry)
    if is_held_out(campaign, lead):
        entry.status = "held_out"
    else:
        campaign.enrolled += 1
        schedule(world, entry, 1)
    return entry


def schedule(world: World, entry: Entry, number: int) -> None:
    """The row of that step, or the end of the entry if there is none."""
    step = entry.step(number)
    if step is None:
        entry.status, entry.ended_at = "completed", world.now
    else:
        due = world.now + step.hours * HOUR
        entry.logs.append(Log(entry, number, step, step.channel, due, due, world.now))


def became(world: World, campaign: Campaign, since: datetime) -> dict[int, datetime]:
    """Who became what the campaign waits for from `since` to now, and when; the other keys narrow it just now."""
    own = {key: campaign.condition[key] for key in OWN_KEYS[campaign.trigger] if key in campaign.condition}
    found = {}
    for lead in world.leads.values():
        moments = [at for at in _BECAME[campaign.trigger](lead, own, since) if since <= at <= world.now]
        narrowing = [(key, value) for key, value in campaign.condition.items() if key not in own]
        if moments and not lead.is_deleted and all(holds(world, lead, *one) for one in narrowing):
            found[lead.id] = max(moments)
    return found


OWN_KEYS = {"lead_score": ("score_min", "score_max"), "stage_change": ("stage",), "inactivity": ("inactivity_days",)}


def _scored(lead: Lead, own: Mapping[str, Any], since: datetime) -> Iterator[datetime]:
    def is_inside(score: Any) -> bool:
        return score is not None and own.get("score_min", 0) <= score <= own.get("score_max", 100)

    yield from (e.at for e in lead.scores if not e.is_silent and is_inside(e.after) and not is_inside(e.before))


def _moved(lead: Lead, own: Mapping[str, Any], since: datetime) -> Iterator[datetime]:
    yield from (e.at for e in lead.stages if not e.is_silent and e.after in own["stage"])


def _fell_silent(lead: Lead, own: Mapping[str, Any], since: datetime) -> Iterator[datetime]:
    # Who fell behind at the very beginning was behind already.
    at = lead.active_at + own["inactivity_days"] * DAY
    if at > since:
        yield at


_BECAME = {"lead_score": _scored, "stage_change": _moved, "inactivity": _fell_silent}


def holds(world: World, lead: Lead, key: str, value: Any, log: Log | None = None) -> bool:
    """Whether a clause holds for the lead, or for the log that asks."""
    entry = log.entry if log else None
    return {
        "score_min": lambda: lead.score >= value,
        "score_max": lambda: lead.score <= value,
        "stage": lambda: lead.stage in value,
        "has_email": lambda: bool(lead.addresses["email"]) == value,
        "has_phone": lambda: bool(lead.addresses["phone"]) == value,
        "treatment": lambda: lead.treatment in value,
        "assigned": lambda: lead.has_agent == (value == "yes"),
        "inactivity_days": lambda: lead.active_at <= world.now - value * DAY,
        "in_stage_days": lambda: lead.stages[-1].at <= world.now - value * DAY,
        "replied_since_enrolment": lambda: (lead.inbound_at is not None and lead.inbound_at > entry.at) == value,
        "previous_step": lambda: any(one.number == log.number - 1 and one.status in value for one in entry.logs),
        "last_call": lambda: last_call(log) in value,
    }[key]()


def last_call(log: Log) -> str:
    calls = [
        one for one in log.entry.logs if one.step.action == "make_call" and one.message and one.number < log.number
    ]
    return calls[-1].message.call if calls else ""
