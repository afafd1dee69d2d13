"""One pass of one worker: end what is over, take in, settle, and carry out what is due."""

from datetime import datetime, timedelta

from tests.campaigns.reference.deciding import decide, exit_reason
from tests.campaigns.reference.entering import became, enroll, schedule
from tests.campaigns.reference.leads import move, rescore, revoked, spoke
from tests.campaigns.reference.world import (
    CODES,
    CONTACTS,
    DAY,
    HOUR,
    MINUTE,
    TRIGGERS,
    UNKNOWN,
    Contact,
    Decision,
    Lead,
    Log,
    Message,
    World,
)

ANSWERS = {"8": "busy", "9": "no_answer"}


def run(world: World) -> None:
    """A whole pass."""
    end_what_is_over(world)
    fire(world)
    work_off(world)


def work_off(world: World) -> None:
    """What is due, without the triggers."""
    settle_due(world)
    while (commitments := decide_due(world)) is not None:
        for contact in commitments:
            settle(world, contact, word_for(world, contact.message))
        settle_calls(world)


def end_what_is_over(world: World) -> None:
    """The entries of leads that something happened to since the last pass."""
    for lead in world.leads.values():
        moves = [event.at for event in lead.stages if event.before]
        if max([lead.active_at, *moves]) >= world.swept_to:
            end_entries(world, lead)


def end_entries(world: World, lead: Lead) -> None:
    own = [rule for rule in world.permissions if rule.lead == lead.id]
    for log in world.logs_of(lead):
        if log.is_waiting:
            has_opted_out = log.channel != "" and revoked(own, log.channel)
            reason = exit_reason(log.entry) or ("opted_out" if has_opted_out else "")
            if reason:
                finish(world, log, "skipped", reason, is_exit=True)


def fire(world: World) -> None:
    for campaign in world.campaigns:
        if campaign.trigger in TRIGGERS and campaign.status == "active":
            since = max(campaign.collects_from, world.swept_to - 10 * MINUTE)
            enroll(world, campaign, became(world, campaign, since), campaign.trigger)
    world.swept_to = max(world.swept_to, world.now)


def decide_due(world: World) -> list[Contact] | None:
    """One batch, at most one row a lead, what goes first first: the contacts it commits to. None if nothing is due."""
    claimed: dict[int, Log] = {}
    if world.stopped_at is None and world.platform_stopped_at is None:
        due = [log for log in world.logs() if log.is_waiting and log.due <= world.now and is_running(log)]
        for log in sorted(due, key=lambda log: (-log.entry.campaign.priority, log.entry.campaign.id)):
            claimed.setdefault(log.entry.lead.id, log)
    if not claimed:
        return None
    return [contact for log in claimed.values() if (contact := carry_out(world, log, decide(world, log)))]


def is_running(log: Log) -> bool:
    return log.entry.campaign.status == "active"


def carry_out(world: World, log: Log, decision: Decision) -> Contact | None:
    """What needs no provider is done; a contact is committed to."""
    kind = decision.kind
    if kind == "postpone":
        log.due, log.reason = decision.until, decision.reason
    elif kind == "act" and log.step.action in CONTACTS:
        return commit(world, log, decision.way)
    elif kind == "act":
        is_moved = move(world, log.entry.lead, log.step.target, "campaign")
        finish(world, log, *(("sent", "") if is_moved else ("skipped", "move_refused")))
    else:
        finish(world, log, "failed" if kind == "fail" else "skipped", decision.reason, is_exit=kind == "exit")
    return None


def commit(world: World, log: Log, way: int) -> Contact:
    lead, step = log.entry.lead, log.step
    log.attempts += 1
    log.channel, log.dispatched = step.ways()[way], True
    log.lease = world.now + lease_of(log.channel)
    if step.action == "schedule_meeting" and not log.is_invited:
        log.is_invited = True
    key = f"step:{log.number}:{log.attempts}"
    address, text = lead.reached_by(log.channel), world.texts[step.text](lead)
    log.message = Message(lead, log.channel, address, text, key, world.now, log=log)
    world.messages.append(log.message)
    return Contact(log, log.message, way, len(step.ways()) > way + 1, log.attempts, world.now)


def lease_of(channel: str) -> timedelta:
    """Until the provider's answer, or until the longest call has ended and was told of."""
    return 26 * MINUTE if channel == "call" else 5 * MINUTE


def word_for(world: World, message: Message) -> str:
    """What the provider says to this attempt at this address; a number can always be called."""
    words = ["accept"] if message.channel == "call" else world.words.get(message.address, ["accept"])
    return words[min(int(message.key.rsplit(":", 1)[1]), len(words)) - 1]


def settle(world: World, contact: Contact, word: str) -> None:
    """What became of a contact; a worker may be late with it."""
    log, message, lead = contact.log, contact.message, contact.message.lead
    is_news = message.status not in ("sending", "unknown")
    if is_news:
        finish(world, log, *told(message))
    else:
        answer(message, word)
        follow_up(world, contact, word)
    if lead.active_at > contact.at or lead.stages[-1].at > contact.at or lead.treatment == "hold" or lead.is_deleted:
        end_entries(world, lead)
    if word == "invalid":
        mark_unreachable(world, message)
    if word == "accept" and message.channel == "call":
        ring(message)


def mark_unreachable(world: World, message: Message) -> None:
    """Nobody is at this address; of a newer one that says nothing."""
    if message.address == message.lead.reached_by(message.channel):
        message.lead.unreachable[message.channel] = CODES["invalid"]
        rescore(world, message.lead)


def ring(message: Message) -> None:
    """The sandbox's phone: the last digit of the number says how it ends."""
    message.call = message.call or ANSWERS.get(message.address[-1], "completed")


def answer(message: Message, word: str) -> None:
    message.code = CODES.get(word, "")
    if word == "accept":
        message.status = "sending" if message.channel == "call" else "sent"
    else:
        message.status = "unknown" if word == "timeout" else "failed"


def follow_up(world: World, contact: Contact, word: str) -> None:
    log = contact.log
    if word == "accept" and contact.message.channel != "call":
        finish(world, log, "sent", "")
    elif word == "timeout":
        finish(world, log, "failed", "outcome_unknown")
    elif word == "temporary" and contact.attempt >= 5:
        finish(world, log, "failed", "gave_up")
    elif word == "temporary":
        release(world, contact.message, log, world.retry_at(log, contact.attempt), CODES[word])
    elif word == "invalid" and contact.has_fallback:
        release(world, contact.message, log, world.now, CODES[word])
    elif word in CODES:
        finish(world, log, "failed", CODES[word])


def release(world: World, message: Message, log: Log, due: datetime, reason: str) -> None:
    """A worker that knows that nobody was reached gives the row back, as long as it is its own."""
    if log.status == "pending" and log.message is message and log.lease > world.now:
        log.dispatched, log.lease, log.due, log.reason = False, None, due, reason
        if log.entry.status != "active":
            log.status, log.reason, log.done_at = "skipped", log.entry.exit_reason, world.now


def finish(world: World, log: Log, status: str, reason: str, *, is_exit: bool = False) -> None:
    """The end of a row, and what comes next. What was unknown is corrected only, unless it was sent again."""
    is_first = log.status == "pending"
    is_unknown = log.status == "failed" and log.reason in UNKNOWN and not log.message.key.startswith("resend:")
    is_correction = is_unknown and reason != "outcome_unknown"
    if not is_first and not is_correction:
        return
    log.status, log.reason, log.done_at, log.lease = status, reason, world.now, None
    entry = log.entry
    if is_first and is_exit:
        entry.status, entry.exit_reason, entry.ended_at = "exited", reason, world.now
    elif is_first and entry.status == "active":
        schedule(world, entry, log.number + 1)


def told(message: Message) -> tuple[str, str]:
    """A row's status and reason by what its message says."""
    if message.status == "failed":
        return "failed", message.code or "refused"
    return ("sent", "") if message.status in ("sent", "delivered") else ("failed", "outcome_unknown")


def settle_due(world: World) -> None:
    """Calls that have ended, leases that ran out, and what was learnt of unknown outcomes."""
    settle_calls(world)
    for log in in_flight(world):
        if log.lease <= world.now:
            if log.message.status == "sending":
                log.message.status, log.message.code = "unknown", "lease_over"
            finish(world, log, *told(log.message))
            end_entries(world, log.entry.lead)
    settle_resent_calls(world)
    for log in world.logs():
        correct_unsettled(world, log)


def in_flight(world: World) -> list[Log]:
    return [log for log in world.logs() if log.status == "pending" and log.dispatched]


def settle_calls(world: World) -> None:
    """Answered calls finish their step; a phone that nobody picks up is called three times, two hours apart."""
    for log in in_flight(world):
        if log.message.call:
            end_call(world, log)
            end_entries(world, log.entry.lead)
            speak(world, log.message)


def end_call(world: World, log: Log) -> None:
    call, message = log.message.call, log.message
    hang_up(message)
    if call == "completed":
        finish(world, log, "sent", "")
    elif log.attempts >= 3 or log.lease <= world.now:
        finish(world, log, "failed", call)
    else:
        release(world, message, log, world.now + 2 * HOUR, call)


def hang_up(message: Message) -> None:
    if message.call == "completed":
        message.status = "delivered"
    else:
        message.status, message.code = "failed", message.call


def speak(world: World, message: Message) -> None:
    if message.call == "completed":
        spoke(world, message.lead, 30 + 13 * int(message.address[-1]))


def settle_resent_calls(world: World) -> None:
    """Also calls whose end is told after their lease."""
    for log in world.logs():
        is_open = log.status == "failed" and log.reason in (*UNKNOWN, "resending")
        if is_open and log.message.call and log.done_at > world.now - 30 * DAY:
            hang_up(log.message)
            correct(world, log)
            speak(world, log.message)


def correct_unsettled(world: World, log: Log) -> None:
    """What was written off as unknown and has been told since, within thirty days."""
    if log.status != "failed" or log.done_at <= world.now - 30 * DAY:
        return
    if log.reason in UNKNOWN and log.message.status in ("sent", "delivered", "failed"):
        correct(world, log)
    elif log.reason == "resending" and log.lease <= world.now:
        if log.message.status == "sending":
            log.message.status, log.message.code = "unknown", "lease_over"
        correct(world, log)


def correct(world: World, log: Log) -> None:
    """The entry went on long ago; only what its row says changes."""
    (log.status, log.reason), log.done_at, log.lease = told(log.message), world.now, None
