"""The engine's hot path in SQL: every statement that runs once a batch, for as many rows as the batch holds.

The rules of messaging.sql hold here too; `rows`, `run` and `columns_of` are its.
"""

from campaigns.sql.deciding import (
    CLAIM,
    DISPATCH,
    DUE_GROUPS,
    FACTS,
    NEXT_APPOINTMENT,
    POSTPONE,
)
from campaigns.sql.enrolling import ENROLL, LOCK_CAMPAIGN, SLICE_END
from campaigns.sql.exiting import EXITS, OLDEST_SWEEP, TOUCHED
from campaigns.sql.merging import (
    COUNT_ANEW,
    GIVE_BACK_ENROLMENTS,
    GIVE_BACK_LATER_MESSAGES,
    GIVE_BACK_LATER_ROWS,
    GIVE_BACK_LOGS,
    GO_ON_ENROLMENTS,
    GO_ON_LOGS,
    LOCK_BOTH,
    MOVE_ENROLMENTS,
    MOVE_LOGS,
    STANDINGS,
)
from campaigns.sql.moving import COUNT_MOVABLE, COUNT_SANDBOX, END_SANDBOX, LOCK_WAITING, MOVE, SKIP_OVERDUE
from campaigns.sql.settling import (
    CORRECT,
    ENDED_CALLS,
    EXPIRED,
    FINISH,
    LOCK_LEADS,
    REASON_LENGTH,
    RELEASE,
    RESENT_CALLS,
    UNSETTLED,
    Ending,
    finish,
)
from campaigns.sql.triggering import ADVANCE_SWEEPS, ENSURE_SWEEPS, HAPPENED, IN_WINDOW, OPEN_SINCE, PROBE
from messaging.sql import columns_of, rows, run

__all__ = [
    "ADVANCE_SWEEPS",
    "CLAIM",
    "CORRECT",
    "COUNT_ANEW",
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
    "GIVE_BACK_ENROLMENTS",
    "GIVE_BACK_LATER_MESSAGES",
    "GIVE_BACK_LATER_ROWS",
    "GIVE_BACK_LOGS",
    "GO_ON_ENROLMENTS",
    "GO_ON_LOGS",
    "HAPPENED",
    "IN_WINDOW",
    "LOCK_BOTH",
    "LOCK_CAMPAIGN",
    "LOCK_LEADS",
    "LOCK_WAITING",
    "MOVE",
    "MOVE_ENROLMENTS",
    "MOVE_LOGS",
    "NEXT_APPOINTMENT",
    "OLDEST_SWEEP",
    "OPEN_SINCE",
    "POSTPONE",
    "PROBE",
    "REASON_LENGTH",
    "RELEASE",
    "RESENT_CALLS",
    "SKIP_OVERDUE",
    "SLICE_END",
    "STANDINGS",
    "TOUCHED",
    "UNSETTLED",
    "Ending",
    "columns_of",
    "finish",
    "rows",
    "run",
]
