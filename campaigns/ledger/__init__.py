"""The invariants of the engine over the whole database. Nobody has to trust the engine: they can check it.

Each is a condition that no row may meet. Those that need the same tables are asked while these are read once, in the
database: what comes here are the rows that break one.
"""

from collections.abc import Collection, Iterator

from campaigns.ledger.contacts import CAPS, DOUBLES, EARLIER, MESSAGES, OPT_OUTS
from campaigns.ledger.enrolments import ENROLMENTS, EXITS, HOLD_OUT
from campaigns.ledger.histories import ASSIGNMENTS, LEADS, MERGES, SCORES, STAGES
from campaigns.ledger.looks import Finding, Reading, Violation, reading
from campaigns.ledger.references import references
from campaigns.ledger.rows import ATTEMPTS, HANDOVERS, MOVES, ROWS
from campaigns.ledger.versions import CAMPAIGNS, FINGERPRINTS

__all__ = ["Finding", "Reading", "Violation", "invariants", "readings", "verify"]

LOOKS = (
    CAMPAIGNS,
    ENROLMENTS,
    EXITS,
    HOLD_OUT,
    ROWS,
    ATTEMPTS,
    MOVES,
    HANDOVERS,
    MESSAGES,
    EARLIER,
    DOUBLES,
    CAPS,
    OPT_OUTS,
    LEADS,
    STAGES,
    SCORES,
    ASSIGNMENTS,
    MERGES,
)


def readings(only: Collection[str] = ()) -> list[Reading]:
    """What has to be read to check these invariants, or all."""
    every = [FINGERPRINTS, *map(reading, LOOKS), reading(*references())]
    return [one for one in every if not only or not set(only).isdisjoint(one.invariants)]


def invariants() -> list[str]:
    """The names of all."""
    return [name for one in readings() for name in one.invariants]


def verify(only: Collection[str] = ()) -> Iterator[Finding]:
    """Check every invariant, or only these, and say of each how many rows break it and which."""
    for one in readings(only):
        yield from one.read(only or one.invariants)
