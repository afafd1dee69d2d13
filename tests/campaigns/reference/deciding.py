"""What becomes of one due step, asked in the order of docs/engine.md and docs/contact-rules.md."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tests.campaigns.reference.entering import holds
from tests.campaigns.reference.leads import revoked
from tests.campaigns.reference.world import (
    ADDRESS,
    CONTACTS,
    DAY,
    FALLS_BACK,
    HOUR,
    SECOND,
    Decision,
    Entry,
    Lead,
    Log,
    World,
)


def decide(world: World, log: Log) -> Decision:
    lead, step = log.entry.lead, log.step
    over = exit_reason(log.entry)
    if over:
        return Decision("exit", over)
    if world.now - log.due > 48 * HOUR:
        return Decision("skip", "late")
    if world.now - log.planned > 14 * DAY:
        return Decision("skip", "postponed_too_long")
    # A database keeps the clauses in the order of their names' lengths.
    for key, value in sorted(step.conditions, key=lambda clause: (len(clause[0]), clause[0])):
        if not holds(world, lead, key, value, log):
            return Decision("skip", f"condition:{key}")
    if lead.treatment == "manual_follow_up":
        has_opted_out = step.action in CONTACTS and has_revoked(world, lead, step.channel)
        return Decision("exit", "opted_out") if has_opted_out else Decision("skip", "handed_to_agent")
    if step.action not in CONTACTS:
        return Decision("act")
    if lead.answered_at is not None and lead.answered_at + 3 * DAY > world.now:
        return Decision("postpone", "human_in_contact", lead.answered_at + 3 * DAY)
    return decide_contact(world, log)


def exit_reason(entry: Entry) -> str:
    """What happened after the enrolment, and states that always count."""
    lead = entry.lead
    reached = {event.after for event in lead.stages if event.at > entry.at}
    if lead.is_deleted:
        return "deleted"
    if lead.treatment == "hold":
        return "hold"
    if entry.rules.exit_on_reply and lead.inbound_at is not None and lead.inbound_at > entry.at:
        return "replied"
    if any(at > entry.at for at in lead.booked):
        return "booked"
    if entry.rules.goal in reached:
        return "goal_reached"
    return "closed" if reached & {"ganado", "perdido"} else ""


def decide_contact(world: World, log: Log) -> Decision:
    """By the step's channel; where that one does not reach this lead at all, by its fallback; never past an opt-out."""
    first = decide_way(world, log, 0)
    if not log.step.fallback or first.reason not in FALLS_BACK:
        return first
    if has_revoked(world, log.entry.lead, log.step.channel):
        return Decision("exit", "opted_out")
    second = decide_way(world, log, 1)
    return first if second.kind in ("skip", "fail") else second


def decide_way(world: World, log: Log, way: int) -> Decision:
    lead, step = log.entry.lead, log.step
    channel = step.ways()[way]
    if step.text and (channel, step.text) in world.inactive:
        return Decision("fail", "template_inactive")
    if step.action == "schedule_meeting" and not lead.has_agent:
        return Decision("skip", "no_agent")
    verdict = judge(world, lead, channel)
    if verdict.kind != "act":
        return verdict
    if step.text == "area" and not lead.location:
        return Decision("skip", "missing_variable:location")
    return Decision("act", way=way)


def judge(world: World, lead: Lead, channel: str) -> Decision:
    """May we contact this lead now, over this channel?"""
    if not lead.addresses[ADDRESS[channel]]:
        return Decision("skip", "no_address")
    if channel in lead.unreachable:
        return Decision("skip", "unreachable")
    if has_revoked(world, lead, channel):
        return Decision("exit", "opted_out")
    if channel == "call" and lead.treatment != "automated_call":
        return Decision("skip", "treatment")
    free_at = free_from(world, lead)
    if not is_open(world, lead, world.now):
        return Decision("postpone", "outside_hours", opening(world, lead, free_at))
    if free_at > world.now:
        return Decision("postpone", "frequency_cap", opening(world, lead, free_at))
    return Decision("act")


def has_revoked(world: World, lead: Lead, channel: str) -> bool:
    """By a word of the lead's own or about one of its addresses."""
    addresses = {*lead.addresses.values()} - {""}
    about = [rule for rule in world.permissions if rule.lead == lead.id or rule.address in addresses]
    return revoked(about, channel)


def free_from(world: World, lead: Lead) -> datetime:
    """From when on one contact more leaves no 24 hours and no 7 days, ends included, with more than the caps allow."""
    counted = sorted(m.at for m in world.messages if m.lead is lead and m.status not in ("failed", "cancelled"))
    moments = [world.now]
    for length, cap in ((DAY, world.cap_24h), (7 * DAY, world.cap_7d)):
        inside = [at for at in counted if at >= world.now - length]
        if len(inside) >= cap:
            moments.append(inside[-cap] + length + SECOND)
    return max(moments)


def is_open(world: World, lead: Lead, moment: datetime) -> bool:
    """Monday to Saturday from nine to twenty, where the lead is."""
    local = moment.astimezone(ZoneInfo(lead.timezone or world.zone))
    return local.weekday() < 6 and 9 <= local.hour < 20


def opening(world: World, lead: Lead, moment: datetime) -> datetime:
    """Windows open, and clocks change, at full hours."""
    while not is_open(world, lead, moment):
        moment = moment.replace(minute=0, second=0, microsecond=0) + HOUR
    return moment
