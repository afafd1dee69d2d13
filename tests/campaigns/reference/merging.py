"""Two leads become one, and two again. Written from docs/duplicates.md."""

from dataclasses import dataclass

from tests.campaigns.reference.engine import end_entries, finish
from tests.campaigns.reference.entering import entries_of
from tests.campaigns.reference.leads import rescore, revoked, take_back
from tests.campaigns.reference.world import ADDRESS, DAY, Campaign, Entry, Lead, Merge, Permission, World

STRICTEST_FIRST = ("hold", "manual_follow_up", "automated_telegram", "automated_call")
# An income of nothing is known.
FILLED = ("name", "location", "timezone", "has_agent")
COUNTED = ("inbound", "long_calls")
LATER = ("inbound_at", "answered_at", "active_at", "opted_out_at")


def merge(world: World, into: Lead, gone: Lead) -> str:
    if into is gone:
        return "same_lead"
    for lead in (into, gone):
        end_entries(world, lead)
    given = united(into, gone)
    record = Merge(
        into=into,
        gone=gone,
        at=world.now,
        before={key: getattr(into, key) for key in given},
        given=given,
        unreachable=taken_over(into, gone),
        booked=list(gone.booked),
        entries=[(entry, entry.number) for entry in world.entries if entry.lead is gone],
        ended=end_doubles(world, into, gone),
        messages=[message for message in world.messages if message.lead is gone],
        permissions=[],
        written=[],
    )
    unite_permissions(world, record)
    change_hands(world, record)
    into.unreachable = into.unreachable | record.unreachable
    for key, value in given.items():
        setattr(into, key, value)
    for key in COUNTED:
        setattr(into, key, getattr(into, key) + getattr(gone, key))
    gone.is_deleted = gone.is_merged = True
    record.stages = len(into.stages)
    rescore(world, into, is_silent=True)
    world.merges.append(record)
    return ""


def united(into: Lead, gone: Lead) -> dict[str, object]:
    """What of `into` changes: what is empty is filled, moments are the later ones, the stricter treatment stays."""
    values: dict[str, object] = {
        key: getattr(gone, key) for key in FILLED if not getattr(into, key) and getattr(gone, key)
    }
    for kind, address in gone.addresses.items():
        if address and not into.addresses[kind]:
            values["addresses"] = {**into.addresses, **values.get("addresses", {}), kind: address}  # type: ignore[dict-item]
    for key in LATER:
        known = [at for at in (getattr(into, key), getattr(gone, key)) if at is not None]
        if known and max(known) != getattr(into, key):
            values[key] = max(known)
    treatment = min(into.treatment, gone.treatment, key=STRICTEST_FIRST.index)
    return values | ({"treatment": treatment} if treatment != into.treatment else {})


def taken_over(into: Lead, gone: Lead) -> dict[str, str]:
    """What providers said of the addresses that fill an empty place."""
    return {
        channel: code
        for channel, code in gone.unreachable.items()
        if gone.reached_by(channel) and not into.reached_by(channel)
    }


def change_hands(world: World, record: Merge) -> None:
    into = record.into
    numbers = {id(entry): number + count(world, entry.campaign, into) for entry, number in record.entries}
    for entry, _number in record.entries:
        entry.number, entry.lead = numbers[id(entry)], into
    for message in record.messages:
        message.lead = into
    into.booked = into.booked + record.booked
    record.gone.booked = []


def count(world: World, campaign: Campaign, lead: Lead) -> int:
    return len(entries_of(world, campaign, lead))


# Enrolments


@dataclass
class Standing:
    entry: Entry
    index: int

    @property
    def waits_at(self) -> int:
        return self.entry.logs[-1].number

    @property
    def is_sending(self) -> bool:
        return self.entry.logs[-1].dispatched

    @property
    def reached(self) -> int:
        """The last step that reached the person, or may have."""
        said = [
            log.number for log in self.entry.logs if log.message and log.message.status not in ("failed", "cancelled")
        ]
        return max(said, default=0)

    def rank(self) -> tuple[int, bool, float, int]:
        return (self.waits_at, self.is_sending, -self.entry.at.timestamp(), -self.index)


def end_doubles(world: World, into: Lead, gone: Lead) -> list[Entry]:
    """One goes on a campaign, the furthest; and none that would say again what the person heard as the other lead."""
    both = [Standing(entry, n) for n, entry in enumerate(world.entries) if entry.lead in (into, gone)]
    over = [one for one in both if one.entry.status == "active" and any(is_behind(one, other) for other in both)]
    for one in over:
        log = one.entry.logs[-1]
        if log.is_waiting:
            finish(world, log, "skipped", "merged", is_exit=True)
        one.entry.status, one.entry.exit_reason, one.entry.ended_at = "exited", "merged", world.now
    return [one.entry for one in over]


def is_behind(one: Standing, other: Standing) -> bool:
    campaign = one.entry.campaign
    if other.entry.campaign is not campaign or other.entry.lead is one.entry.lead:
        return False
    if other.entry.status == "active":
        return other.rank() > one.rank()
    days, ended_at = campaign.reentry_days, other.entry.ended_at or other.entry.at
    may_repeat = days is not None and ended_at + days * DAY <= one.entry.at
    return other.reached >= one.waits_at and not may_repeat


# Permissions


def unite_permissions(world: World, record: Merge) -> None:
    """What either took back is taken back for both, and for each of their addresses."""
    into, gone = record.into, record.gone
    written = [
        Permission(into.id, address, channel, purpose, True, world.now)
        for channel in ADDRESS
        if (purpose := to_be_written(world, into, gone, channel))
        for address in addresses_for(into, gone, channel)
    ]
    record.permissions = [rule for rule in world.permissions if rule.lead == gone.id]
    for rule in record.permissions:
        rule.lead = into.id
    record.written = written
    world.permissions += written


def addresses_for(into: Lead, gone: Lead, channel: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (into.reached_by(channel), gone.reached_by(channel))))) or [""]


def to_be_written(world: World, into: Lead, gone: Lead, channel: str) -> str:
    for purpose, purposes in (("all", ("all",)), ("marketing", ("marketing", "all"))):
        is_taken_back = any(has_taken_back(world, lead, channel, purposes) for lead in (into, gone))
        if is_taken_back and not binds_anyway(world, into, gone, channel, purposes):
            return purpose
    return ""


def has_taken_back(world: World, lead: Lead, channel: str, purposes: tuple[str, ...]) -> bool:
    """As the policy sees them, by their own words alone, or for the address of this channel."""
    address = lead.reached_by(channel)
    own = [rule for rule in world.permissions if rule.lead == lead.id]
    of_address = [rule for rule in world.permissions if address and rule.address == address]
    return any(revoked(rules, channel, purposes) for rules in (about(world, lead), own, of_address))


def about(world: World, *leads: Lead) -> list[Permission]:
    ids = {lead.id for lead in leads}
    addresses = {address for lead in leads for address in lead.addresses.values()} - {""}
    return [rule for rule in world.permissions if rule.lead in ids or rule.address in addresses]


def binds_anyway(world: World, into: Lead, gone: Lead, channel: str, purposes: tuple[str, ...]) -> bool:
    groups = [about(world, into, gone), [rule for rule in world.permissions if rule.lead in (into.id, gone.id)]]
    for address in addresses_for(into, gone, channel):
        if address:
            groups.append([rule for rule in world.permissions if rule.address == address])
    return all(revoked(group, channel, purposes) for group in groups)


# Undone


def unmerge(world: World, record: Merge) -> str:
    if record.is_undone:
        return ""
    if world.now - record.at > DAY:
        return "too_late"
    if record.into.is_deleted:
        return "lead_gone"
    concerned = [entry for entry, _number in record.entries] + record.ended
    if any(log.status == "pending" and log.dispatched for entry in concerned for log in entry.logs):
        return "in_flight"
    give_back(world, record)
    record.gone.is_deleted = record.gone.is_merged = False
    restore(record)
    for entry in record.ended:
        go_on(world, entry)
    take_back(world, record.into, record.stages)
    for lead in (record.into, record.gone):
        rescore(world, lead, is_silent=True)
    record.is_undone = True
    return ""


def give_back(world: World, record: Merge) -> None:
    """Entries go back with all that they did, also since."""
    into, gone = record.into, record.gone
    entries = [entry for entry, _number in record.entries]
    for entry, number in record.entries:
        entry.lead, entry.number = gone, number
    for message in world.messages:
        did = message.log is not None and any(message.log.entry is entry for entry in entries)
        if message.lead is into and (did or any(message is one for one in record.messages)):
            message.lead = gone
    for entry in entries:
        for number, one in enumerate(sorted_entries(world, entry.campaign, into), start=1):
            one.number = number
    for rule in record.permissions:
        rule.lead = gone.id
    world.permissions = [rule for rule in world.permissions if rule not in record.written]


def sorted_entries(world: World, campaign: Campaign, lead: Lead) -> list[Entry]:
    return sorted(entries_of(world, campaign, lead), key=lambda entry: entry.number)


def restore(record: Merge) -> None:
    """What nobody changed since."""
    into, gone = record.into, record.gone
    for key, given in record.given.items():
        if key == "addresses":
            restore_addresses(record)
        elif getattr(into, key) == given:
            setattr(into, key, record.before[key])
    into.unreachable = {
        channel: code for channel, code in into.unreachable.items() if record.unreachable.get(channel) != code
    }
    for key in COUNTED:
        setattr(into, key, getattr(into, key) - getattr(gone, key))
    gone.booked = record.booked
    for moment in record.booked:
        into.booked.remove(moment)


def restore_addresses(record: Merge) -> None:
    into, before, given = record.into, record.before["addresses"], record.given["addresses"]
    assert isinstance(before, dict)
    assert isinstance(given, dict)
    into.addresses = {
        kind: before[kind] if address == given[kind] else address for kind, address in into.addresses.items()
    }


def go_on(world: World, entry: Entry) -> None:
    """One that the merge ended, unless its step was being sent or its lead has entered anew."""
    log, others = entry.logs[-1], entries_of(world, entry.campaign, entry.lead)
    is_theirs = (entry.exit_reason, log.status, log.reason) == ("merged", "skipped", "merged")
    has_newer = any(one is not entry and (one.status == "active" or one.number > entry.number) for one in others)
    if is_theirs and not has_newer and entry.campaign.status in ("active", "paused"):
        entry.status, entry.exit_reason, entry.ended_at = "active", "", None
        log.status, log.reason, log.done_at = "pending", "", None
