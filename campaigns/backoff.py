"""When a contact that provably reached nobody is tried again. Pure."""

from datetime import datetime, timedelta
from hashlib import md5
from math import isfinite

DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1))
JITTER = 0.25
LONGEST = timedelta(days=1)


def retry_at(now: datetime, attempt: int, seed: int, retry_after: float | None) -> datetime:
    """The moment of the next attempt: what the provider asked for (seconds, a day at most), else longer each time.

    Up to a quarter is added so that those who failed together do not come back together; the same attempt of the same
    log always gets the same share.
    """
    if retry_after is not None and isfinite(retry_after):
        return now + timedelta(seconds=max(0.0, min(retry_after, LONGEST.total_seconds())))
    share = int(md5(f"{seed}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return now + DELAYS[min(attempt, len(DELAYS)) - 1] * (1 + JITTER * share)
