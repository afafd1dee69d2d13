"""What is asked of the database in its own words, for one message or for a batch.

Rules of this package: arrays in (as `%(name)b`), rows out; no table is qualified by a schema (a rehearsal runs on TEMP
tables of the same names); rows are locked in the order of their ids, never stronger than NO KEY UPDATE.
"""

from messaging.sql.running import columns_of, rows, run
from messaging.sql.sending import (
    DUE_OUTSIDE,
    HEARD,
    HOLD_ACCOUNTS,
    OPEN_CONVERSATIONS,
    PERMISSIONS,
    RESERVE_SLOTS,
    SETTLE_MESSAGES,
    SUBJECT_LENGTH,
    UNFINISHED,
)

__all__ = [
    "DUE_OUTSIDE",
    "HEARD",
    "HOLD_ACCOUNTS",
    "OPEN_CONVERSATIONS",
    "PERMISSIONS",
    "RESERVE_SLOTS",
    "SETTLE_MESSAGES",
    "SUBJECT_LENGTH",
    "UNFINISHED",
    "columns_of",
    "rows",
    "run",
]
