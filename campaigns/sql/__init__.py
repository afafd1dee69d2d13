"""The engine's hot path in SQL: every statement that runs once a batch, for as many rows as the batch holds.

Rules of this package: arrays in (as `%(name)b`), rows out; no table is qualified by a schema (a rehearsal runs on TEMP
tables of the same names); rows are locked in the order of their ids, never stronger than NO KEY UPDATE.
"""

from campaigns.sql.deciding import (
    CLAIM,
    DISPATCH,
    DUE_GROUPS,
    FACTS,
    HOLD_ACCOUNTS,
    LAST_PROPERTY,
    NEXT_APPOINTMENT,
    OPEN_CONVERSATIONS,
    PERMISSIONS,
    POSTPONE,
    RESERVE_SLOTS,
)
from campaigns.sql.enrolling import ENROLL, LOCK_CAMPAIGN, SLICE_END
from campaigns.sql.exiting import EXITS, OLDEST_SWEEP, TOUCHED
from campaigns.sql.moving import COUNT_MOVABLE, COUNT_SANDBOX, END_SANDBOX, MOVE, SKIP_OVERDUE
from campaigns.sql.running import columns_of, rows, run
from campaigns.sql.settling import (
    CORRECT,
    ENDED_CALLS,
    EXPIRED,
    FINISH,
    LOCK_LEADS,
    REASON_LENGTH,
    RELEASE,
    RESENT_CALLS,
    SETTLE_MESSAGES,
    SUBJECT_LENGTH,
    UNSETTLED,
    Ending,
    finish,
)
from campaigns.sql.triggering import ADVANCE_SWEEPS, ENSURE_SWEEPS, HAPPENED, IN_WINDOW, OPEN_SINCE, PROBE

__all__ = [
    "ADVANCE_SWEEPS",
    "CLAIM",
    "CORRECT",
    "COUNT_MOVABLE",
    "COUNT_SANDBOX",
    "DISPATCH",
    "DUE_GROUPS",
    "ENDED_CALLS",
    "END_SANDBOX",
    "ENROLL",
    "ENSURE_SWEEPS",
    "EXITS",
    "EXPIRED",
    "FACTS",
    "FINISH",
    "HAPPENED",
    "HOLD_ACCOUNTS",
    "IN_WINDOW",
    "LAST_PROPERTY",
    "LOCK_CAMPAIGN",
    "LOCK_LEADS",
    "MOVE",
    "NEXT_APPOINTMENT",
    "OLDEST_SWEEP",
    "OPEN_CONVERSATIONS",
    "OPEN_SINCE",
    "PERMISSIONS",
    "POSTPONE",
    "PROBE",
    "REASON_LENGTH",
    "RELEASE",
    "RESENT_CALLS",
    "RESERVE_SLOTS",
    "SETTLE_MESSAGES",
    "SKIP_OVERDUE",
    "SLICE_END",
    "SUBJECT_LENGTH",
    "TOUCHED",
    "UNSETTLED",
    "Ending",
    "columns_of",
    "finish",
    "rows",
    "run",
]
