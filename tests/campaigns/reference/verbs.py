"""What people do to campaigns, entries and unknown outcomes. What is refused is returned as its reason, else ''."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from tests.campaigns.reference.deciding import judge
from tests.campaigns.reference.engine import answer, finish, lease_of, mark_unreachable, ring, told, word_for
from tests.campaigns.reference.entering import became, enroll
from tests.campaigns.reference.world import MINUTE, UNKNOWN, Campaign, Entry, Log, Message, Rules, Step, World

# Campaigns


def start(world: World, campaign: Campaign) -> None:
    campaign.versions[1] = (campaign.rules, campaign.steps)
    world.campaigns.append(campaign)


def save_version(campaign: Campaign, *, rules: Rules | None = None, steps: tuple[Step, ...] = ()) -> None:
    """Who is under way stays on their version."""
    campaign.rules, campaign.steps = rules or campaign.rules, steps or campaign.steps
    campaign.version += 1
    campaign.versions[campaign.version] = (campaign.rules, campaign.steps)


def move_entries(world: World, campaign: Campaign, to: int) -> None:
    """Who waits goes on in that version, at the step they wait for; where it has no such step, they are done."""
    for log in waiting(world, campaign):
        if log.entry.version != to:
            log.entry.version = to
            step = log.entry.step(log.number)
            if step is None:
                finish(world, log, "skipped", "not_in_version")
            else:
                log.step, log.channel = step, step.channel


def waiting(world: World, campaign: Campaign) -> list[Log]:
    return [log for log in world.logs() if log.entry.campaign is campaign and log.is_waiting]


def pause(world: World, campaign: Campaign) -> str:
    if campaign.status != "active":
        return "wrong_status"
    campaign.status, campaign.paused_at = "paused", world.now
    return ""


def resume(world: World, campaign: Campaign, policy: str, *, collect: bool) -> str:
    if campaign.status != "paused":
        return "wrong_status"
    happened = {}
    if collect and campaign.trigger != "manual":
        happened = became(world, campaign, max(campaign.paused_at - 10 * MINUTE, campaign.collects_from))
    catch_up(world, campaign, policy)
    campaign.status, campaign.paused_at, campaign.collects_from = "active", None, world.now
    enroll(world, campaign, happened, campaign.trigger)
    return ""


def catch_up(world: World, campaign: Campaign, policy: str) -> None:
    stops = [stop for stop in (world.stopped_at, world.platform_stopped_at) if stop]
    if policy == "shift":
        # A stop that began before the last resume was answered for by it.
        since = [campaign.paused_at, *(max(stop, campaign.collects_from) for stop in stops)]
        shift(world, campaign, min(since), world.now)
    for log in waiting(world, campaign):
        if log.due <= world.now and policy == "send":
            log.due = log.planned = world.now
        elif log.due <= world.now and policy == "skip":
            finish(world, log, "skipped", "skipped_on_resume")


def shift(world: World, campaign: Campaign, since: datetime, until: datetime) -> None:
    """What stood still in between, or since it was written, is due later by that long."""
    for log in waiting(world, campaign):
        stood = until - max(since, log.created)
        if stood > 0 * MINUTE:
            log.due, log.planned = log.due + stood, log.planned + stood


def complete(world: World, campaign: Campaign) -> str:
    if campaign.status == "completed":
        return "wrong_status"
    if any(entry.campaign is campaign and entry.status == "active" for entry in world.entries):
        return "not_finished"
    campaign.status = "completed"
    return ""


def go_on(world: World, stopped_at: datetime, other: datetime | None) -> None:
    """Due later by the stop, up to where another reason to stand still takes over and moves the rest when it ends."""
    for campaign in world.campaigns:
        if campaign.status in ("active", "paused"):
            reasons = [reason for reason in (world.now, campaign.paused_at, other) if reason]
            shift(world, campaign, max(stopped_at, campaign.collects_from), min(reasons))


def stop_sending(world: World) -> None:
    world.stopped_at = world.stopped_at or world.now


def go_on_sending(world: World) -> None:
    if world.stopped_at:
        go_on(world, world.stopped_at, world.platform_stopped_at)
        world.stopped_at = None


def stop_platform(world: World) -> None:
    world.platform_stopped_at = world.platform_stopped_at or world.now


def go_on_platform(world: World) -> None:
    if world.platform_stopped_at:
        go_on(world, world.platform_stopped_at, world.stopped_at)
        world.platform_stopped_at = None


# Entries


def enroll_by_hand(world: World, campaign: Campaign, leads: Iterable[int]) -> str:
    if campaign.status != "active":
        return "not_active"
    enroll(world, campaign, dict.fromkeys(leads), "manual")
    return ""


def pause_entry(world: World, entry: Entry, until: datetime) -> str:
    if entry.status != "active":
        return "not_under_way"
    log = entry.logs[-1]
    if not log.is_waiting:
        return "in_flight"
    log.due, log.planned, log.reason = max(log.due, until), max(log.planned, until), "paused_until"
    return ""


def stop_entry(world: World, entry: Entry) -> str:
    """What is being sent just now settles, and nothing follows."""
    if entry.status != "active":
        return "not_under_way"
    if entry.logs[-1].is_waiting:
        finish(world, entry.logs[-1], "skipped", "stopped", is_exit=True)
    entry.status, entry.exit_reason, entry.ended_at = "exited", "stopped", world.now
    return ""


def enroll_again(world: World, entry: Entry) -> str:
    if entry.campaign.status != "active":
        return "not_active"
    taken = enroll(world, entry.campaign, {entry.lead.id: None}, "manual")
    return "" if taken else "not_entered"


# Unknown outcomes


def confirm_delivered(world: World, log: Log) -> str:
    if not is_unsettled(log) or log.reason == "not_resent":
        return "not_unknown"
    log.message.status, log.message.code = "sent", ""
    log.status, log.reason, log.done_at, log.lease = "sent", "", world.now, None
    return ""


def leave_unknown(world: World, log: Log) -> str:
    if not is_unsettled(log):
        return "not_unknown"
    log.reason = "left_unknown"
    return ""


def is_unsettled(log: Log) -> bool:
    """Neither a person nor the provider has said yet what became of it."""
    is_untold = log.reason in UNKNOWN and log.message.status == "unknown" and not log.message.call
    return log.status == "failed" and (is_untold or log.reason == "not_resent")


def send_again(world: World, log: Log) -> str:
    """The same text once more, with a key of its own, if the policy allows it now; what it replaces counts no more."""
    original = log.message
    refusal = why_not_again(world, log)
    if refusal:
        return refusal
    log.resent += 1
    lead, channel = log.entry.lead, channel_of(log)
    address = lead.reached_by(channel)
    message = Message(lead, channel, address, original.text, f"resend:{log.resent}", world.now, log=log)
    original.status, original.code = "failed", "not_delivered"
    world.messages.append(message)
    log.message, log.reason, log.done_at, log.dispatched = message, "resending", world.now, True
    log.lease = world.now + lease_of(channel)
    settle_resent(world, log, message)
    return ""


def why_not_again(world: World, log: Log) -> str:
    if not is_unsettled(log):
        return "not_unknown"
    if world.stopped_at or world.platform_stopped_at:
        return "sending_stopped"
    if log.entry.campaign.status == "paused":
        return "campaign_paused"
    lead = log.entry.lead
    if lead.is_deleted or lead.treatment == "hold":
        return "deleted" if lead.is_deleted else "hold"
    counted = [message for message in world.messages if message is not log.message]
    return judge(replace(world, messages=counted), lead, channel_of(log)).reason


def channel_of(log: Log) -> str:
    """The way it went."""
    return log.channel if log.channel in log.step.ways() else log.step.channel


def settle_resent(world: World, log: Log, message: Message) -> None:
    word = word_for(world, message)
    answer(message, word)
    if word == "invalid":
        mark_unreachable(world, message)
    if message.channel == "call":
        ring(message)
        return
    log.status, log.reason = ("failed", "not_resent") if word == "temporary" else told(message)
    log.done_at, log.lease = world.now, None
