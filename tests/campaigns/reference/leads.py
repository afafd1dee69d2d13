"""What happens to a lead, and what it is worth."""

from collections.abc import Iterable
from datetime import datetime

from tests.campaigns.reference.world import ADDRESS, DAY, MOVES, RANK, STAGE_POINTS, Event, Lead, Permission, World


def bear(world: World, lead: Lead) -> None:
    world.leads[lead.id] = lead
    lead.opted_out_at = opted_out_at(world, lead)
    lead.stages.append(Event(world.now, "", lead.stage, False))
    advance(world, lead)
    lead.score = points(world, lead)
    lead.scores.append(Event(world.now, None, lead.score, False))


def points(world: World, lead: Lead) -> int:
    """The default weights of docs/scoring.md."""
    tiers = ((3_000_000, 15), (2_000_000, 12), (1_000_000, 8), (500_000, 4))
    total = 5 * (bool(lead.name) + bool(lead.addresses["phone"]) + bool(lead.addresses["email"]) + bool(lead.location))
    total += next((worth for at_least, worth in tiers if lead.income >= at_least), 0)
    total += 14 if lead.inbound >= 5 else 8 if lead.inbound >= 2 else 4 if lead.inbound else 0
    total += 5 * bool(lead.long_calls) + 5 * bool(lead.booked) + STAGE_POINTS[lead.stage] - 30 * lead.opted_out
    total -= 5 * (world.now - lead.active_at >= 60 * DAY) + 10 * ("invalid_address" in lead.unreachable.values())
    return max(0, min(100, total))


def rescore(world: World, lead: Lead, *, is_silent: bool = False, is_news: bool = False, advances: bool = True) -> None:
    """Whom a person took back stays, until something new is said."""
    if advances and (is_news or not lead.is_taken_back):
        advance(world, lead)
    before, lead.score = lead.score, points(world, lead)
    if before != lead.score:
        lead.scores.append(Event(world.now, before, lead.score, is_silent))


def advance(world: World, lead: Lead) -> None:
    """Of the table of docs/scoring.md what can happen to leads whose budget and DICOM nobody asks for."""
    if lead.treatment != "hold" and not lead.is_deleted and (to := by_facts(lead, lead.stage)) != lead.stage:
        _go(world, lead, to)


def by_facts(lead: Lead, stage: str) -> str:
    """Where its facts bring a lead that stands in this stage."""
    if lead.booked and stage in ("entrada", "perfilamiento", "calificacion_financiera", "seguimiento"):
        return "agendado"
    is_known = lead.name and (lead.addresses["phone"] or lead.location)
    return "perfilamiento" if stage == "entrada" and is_known else stage


def take_back(world: World, lead: Lead, stages: int) -> None:
    """Of the stages after so many: where facts alone brought a lead that it has no more, it goes back."""
    since = lead.stages[stages:]
    if since and all(event.is_auto for event in since):
        own = by_facts(lead, str(since[0].before))
        if own != lead.stage:
            lead.stages.append(Event(world.now, lead.stage, own, True))
            lead.stage, lead.is_taken_back = own, True


def _go(world: World, lead: Lead, to: str) -> None:
    lead.stages.append(Event(world.now, lead.stage, to, False, is_auto=True))
    lead.stage, lead.is_taken_back = to, False


def edit(world: World, lead: Lead, **changes: object) -> None:
    if any(getattr(lead, key) != value for key, value in changes.items()):
        for key, value in changes.items():
            setattr(lead, key, value)
        lead.active_at = world.now
        rescore(world, lead, is_news=True)


def readdress(world: World, lead: Lead, kind: str, address: str) -> None:
    """A new address may be tried although a provider knew nobody at the old one."""
    if lead.addresses[kind] != address:
        lead.unreachable = {channel: code for channel, code in lead.unreachable.items() if ADDRESS[channel] != kind}
        edit(world, lead, addresses=lead.addresses | {kind: address})


def move(world: World, lead: Lead, to: str, cause: str) -> bool:
    """Whether the pipeline allows it; only a correction goes anywhere."""
    is_correction = cause == "correction"
    is_allowed = to != lead.stage if is_correction else to in MOVES[lead.stage]
    if not is_allowed or (to == "agendado" and not is_correction and not lead.booked):
        return False
    goes_on = not is_correction and RANK[to] > RANK[lead.stage]
    lead.stages.append(Event(world.now, lead.stage, to, is_correction, is_auto=cause == "auto"))
    lead.stage, lead.is_taken_back = to, not goes_on and cause != "auto"
    if cause == "agent":
        lead.active_at = world.now
    rescore(world, lead, is_silent=is_correction, advances=goes_on)
    return True


def reply(world: World, lead: Lead) -> None:
    lead.inbound += 1
    lead.inbound_at = lead.active_at = world.now
    rescore(world, lead)


def book(world: World, lead: Lead) -> None:
    """It moves on who is not booked yet, unless nobody may touch them."""
    lead.booked.append(world.now)
    lead.active_at = world.now
    if lead.treatment != "hold":
        move(world, lead, "agendado", "auto")
    rescore(world, lead, is_news=True)


def spoke(world: World, lead: Lead, seconds: int) -> None:
    lead.long_calls += seconds > 60
    lead.active_at = world.now
    rescore(world, lead)


def permit(world: World, lead: Lead, *, channel: str, purpose: str, is_revoked: bool) -> None:
    """Kept with every address that it is about: it holds although the lead is deleted and comes again."""
    about = {*lead.addresses.values()} - {""} if channel == "*" else {lead.addresses[ADDRESS[channel]]}
    world.permissions += [
        Permission(lead.id, one, channel, purpose, is_revoked, world.now) for one in sorted(about or {""})
    ]
    lead.opted_out_at = opted_out_at(world, lead)
    lead.active_at = world.now
    rescore(world, lead)


def opted_out_at(world: World, lead: Lead) -> datetime | None:
    """Since when they or their addresses took back what still is, on any channel and for any purpose."""
    addresses = {*lead.addresses.values()} - {""}
    rules = [rule for rule in world.permissions if rule.lead == lead.id or rule.address in addresses]
    newest = [deciding(rules, one, purposes) for one in ADDRESS for purposes in (("marketing", "all"), ("all",))]
    return max((rule.at for rule in newest if rule is not None and rule.is_revoked), default=None)


def deciding(
    rules: Iterable[Permission], channel: str, purposes: tuple[str, ...] = ("marketing", "all")
) -> Permission | None:
    """The newest rule about the channel or every channel."""
    about = [rule for rule in rules if rule.channel in (channel, "*") and rule.purpose in purposes]
    return about[-1] if about else None


def revoked(rules: Iterable[Permission], channel: str, purposes: tuple[str, ...] = ("marketing", "all")) -> bool:
    rule = deciding(rules, channel, purposes)
    return rule is not None and rule.is_revoked
