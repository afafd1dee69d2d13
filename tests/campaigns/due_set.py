"""Three brokerages with much to do, messages and calls, at a provider that does all that providers do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from brokers.models import Broker
from campaigns.models import CampaignLog
from tests.building import a_campaign, a_free_broker, a_lead, counting_account, enroll, message_step
from tests.many import analyze, copies_of_brokerage, copies_of_lead
from tests.peers.counting import REACHES_NOBODY, heard

BROKERS = 3
ALWAYS = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
# What the provider says to addresses that end so, one word an attempt; it accepts all others.
SCRIPT = {
    "*03": ["refuse"],
    "*14": ["timeout"],
    "*25": ["temporary", "accept"],
    "*36": ["temporary:0.05", "accept"],
    "*47": ["raise"],
    "*58": ["garbage"],
    "*69": ["nul"],
    "*70": ["temporary", "temporary:0.05", "timeout"],
    "*81": ["slow:0.1"],
    "*92": ["temporary", "refuse"],
}
CALLS = SCRIPT | {"*04": ["busy", "accept"], "*15": ["busy", "busy", "accept"]}
ACCEPTED, REFUSED, UNKNOWN = ("sent", ""), ("failed", "refused"), ("failed", "outcome_unknown")
# What the provider's last word about a step means for its log.
TOLD = {
    "accept": ACCEPTED,
    "slow": ACCEPTED,
    "nul": ACCEPTED,
    "refuse": REFUSED,
    "timeout": UNKNOWN,
    "raise": UNKNOWN,
    "garbage": UNKNOWN,
    # A call whose engine died before it wrote down that it was placed: it is over, and too late to try again.
    "busy": ("failed", "busy"),
}


def a_due_set(file: Path, leads: int) -> Broker:
    """Each lead has two campaigns, four messages and a call with two messages, all due one right after the other."""
    now = datetime.now(UTC)
    broker = a_free_broker(contact_window=ALWAYS, now=now)
    copies_of_lead(a_lead(broker, now=now, treatment_type="automated_call"), leads - 1)
    counting_account(broker, file, script=SCRIPT)
    counting_account(broker, file, channel="whatsapp", script=SCRIPT, rate=200)
    counting_account(broker, file, channel="call", script=CALLS)
    telegram, whatsapp = message_step(broker), message_step(broker, channel="whatsapp")
    for steps in ([telegram] * 4, [{"action": "make_call"}, whatsapp, whatsapp]):
        enroll(a_campaign(broker, *steps, now=now), now=now)
    copies_of_brokerage(broker, 1, BROKERS - 1)
    analyze()
    return broker


def steps_of(leads: int) -> int:
    return BROKERS * leads * 7


class Aftermath(NamedTuple):
    """By step: what its log says, and the provider's words, one an attempt."""

    said: dict[str, tuple[str, str]]
    heard: dict[str, list[str]]

    def reached_twice(self) -> list[str]:
        """Steps that the provider took more than once, although no attempt but the last may have reached anybody."""
        return [step for step, words in self.heard.items() if sum(word not in REACHES_NOBODY for word in words) > 1]

    def contradicted(self) -> dict[str, tuple[str, str]]:
        """Steps whose log says anything but what the provider said, or that nobody knows."""
        last = {step: words[-1] for step, words in self.heard.items()}
        return {step: self.said[step] for step in last if self.said[step] not in (TOLD.get(last[step]), UNKNOWN)}

    def made_up(self) -> list[str]:
        """Steps of which the log knows more than that nobody knows, although the provider never heard of them."""
        return [step for step, said in self.said.items() if said != UNKNOWN and step not in self.heard]

    def lost_by_us(self) -> set[str]:
        """Steps of which nobody knows, although the provider left no doubt."""
        unknown = {step for step, said in self.said.items() if said == UNKNOWN}
        return {step for step in unknown if TOLD.get(self.heard.get(step, [""])[-1]) != UNKNOWN}


def aftermath(file: Path) -> Aftermath:
    rows = CampaignLog.objects.values_list("enrollment", "step_number", "status", "reason")
    return Aftermath({f"step:{entry}:{number}": tuple(said) for entry, number, *said in rows}, heard(file))


def in_flight() -> set[str]:
    rows = CampaignLog.objects.in_flight().values_list("enrollment", "step_number")
    return {f"step:{entry}:{number}" for entry, number in rows}
