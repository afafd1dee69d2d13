"""Created-date cells → aware UTC datetimes."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from leads.importer.values import Invalid
from leads.importer.words import MONTHS, squash

_YEAR_FIRST = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)(?!\d)(.*)", re.DOTALL)
_NUMERIC = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})\b[,T ]*(.*)", re.DOTALL)
_DAY_MONTH = re.compile(r"(\d{1,2})(?:\s+de)?[\s\-/.]+([^\W\d]+)\.?(?:\s+del?)?[\s\-/.,]+(\d{4}|\d{2})\b[,\s]*(.*)")
_MONTH_DAY = re.compile(r"([^\W\d]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b[,\s]*(.*)")
_TIME = re.compile(
    r"(?:a las )?(\d{1,2})[:.h](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([ap])?\.?\s?m?\.?(?:\s*h(?:rs?)?\.?)?"
)
_SERIAL = re.compile(r"[34]\d{4}(?:[.,]\d+)?")  # Excel's day number: 1982 to 2036
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?")


def is_month_first(samples: Iterable[str]) -> bool | None:
    """What the column itself betrays: 14/03 is day first, 03/14 month first; None when nothing tells."""
    pairs = [(int(m[1]), int(m[2])) for m in map(_NUMERIC.match, samples) if m]
    if any(first > 12 for first, _ in pairs):
        return False
    return True if any(second > 12 for _, second in pairs) else None


@lru_cache(maxsize=16384)
def moment(said: str, timezone: str, *, month_first: bool = False) -> datetime:
    """UTC. A date without a time is midnight in `timezone`, the broker's. Raises Invalid."""
    zone = ZoneInfo(timezone)
    try:
        found = _iso(said, zone) or _written(said, zone, month_first) or _counted(said, zone)
    except ValueError:
        found = None
    if found is None or not 1990 <= found.year <= 2100:
        raise Invalid("is no date (2025-03-31, 31/03/2025 15:30, 31 mar 2025)")
    return found.astimezone(UTC)


def _iso(said: str, zone: ZoneInfo) -> datetime | None:
    if not (dated := _YEAR_FIRST.fullmatch(said)):
        return None
    try:
        found = datetime.fromisoformat(said.removesuffix(" UTC") + ("Z" if said.endswith(" UTC") else ""))
    except ValueError:
        return _at(int(dated[1]), int(dated[2]), int(dated[3]), dated[4], zone)
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _written(said: str, zone: ZoneInfo, month_first: bool) -> datetime | None:
    if numeric := _NUMERIC.fullmatch(said):
        first, second, year = int(numeric[1]), int(numeric[2]), _year(numeric[3])
        month, day = (first, second) if (month_first and first <= 12) or second > 12 else (second, first)
        return _at(year, month, day, numeric[4], zone)
    if (named := _DAY_MONTH.fullmatch(said)) and (month_name := MONTHS.get(squash(named[2]))):
        return _at(_year(named[3]), int(month_name), int(named[1]), named[4], zone)
    if (named := _MONTH_DAY.fullmatch(said)) and (month_name := MONTHS.get(squash(named[1]))):
        return _at(int(named[3]), int(month_name), int(named[2]), named[4], zone)
    return None


def _year(written: str) -> int:
    return int(written) + (2000 if len(written) == 2 else 0)


def _at(year: int, month: int, day: int, rest: str, zone: ZoneInfo) -> datetime | None:
    if not rest.strip():
        return datetime(year, month, day, tzinfo=zone)
    time = _TIME.fullmatch(rest.strip().casefold())
    if time is None:
        return None
    hour, minute, second, half = int(time[1]), int(time[2]), int(time[3] or 0), time[4]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return datetime(year, month, day, hour, minute, second, tzinfo=zone)


def _counted(said: str, zone: ZoneInfo) -> datetime | None:
    """Excel's days since the end of 1899 on the broker's clock, or Unix seconds or milliseconds."""
    if _SERIAL.fullmatch(said):
        days = float(said.replace(",", "."))
        return datetime(1899, 12, 30, tzinfo=zone) + timedelta(seconds=round(days * 86_400))
    if _EPOCH.fullmatch(said):
        return datetime.fromtimestamp(int(said[:10]), UTC)
    return None
