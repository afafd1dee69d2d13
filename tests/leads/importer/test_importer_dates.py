"""Created dates, in UTC; the broker is in Santiago (UTC-3 in March)."""

from datetime import UTC, datetime

import pytest

from leads.importer import dates
from leads.importer.values import Invalid

SANTIAGO = "America/Santiago"


@pytest.mark.parametrize(
    "said",
    [
        "2025-03-14T15:30:00-03:00",
        "2025-03-14T18:30:00+0000",
        "2025-03-14T18:30:00.000Z",
        "2025-03-14 18:30:00 UTC",
        "2025-03-14 15:30",
        "14/03/2025 15:30",
        "14-03-2025 15:30:00",
        "14.3.25 15:30",
        "14/03/2025, 3:30 p. m.",
        "3/14/2025 3:30 PM",
        "2025/3/14 15:30",
        "14 mar 2025 15:30",
        "14 de marzo de 2025 a las 15:30 hrs",
        "March 14, 2025 3:30pm",
        "45730.645833333",
        "1741977000",
        "1741977000000",
    ],
)
def test_moment_is_utc_in_every_usual_writing(said: str) -> None:
    assert dates.moment(said, SANTIAGO) == datetime(2025, 3, 14, 18, 30, tzinfo=UTC)


def test_moment_of_a_date_alone_is_midnight_at_the_brokers() -> None:
    assert dates.moment("14/03/2025", SANTIAGO) == datetime(2025, 3, 14, 3, tzinfo=UTC)


def test_moment_is_day_first_unless_told_otherwise() -> None:
    assert dates.moment("03/04/2025", "UTC") == datetime(2025, 4, 3, tzinfo=UTC)
    assert dates.moment("03/04/2025", "UTC", month_first=True) == datetime(2025, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", ["ayer", "32/13/2025", "31/02/2025", "14/03/0025", "12345", "14 brumario 2025", "2025-13-01"]
)
def test_moment_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(Invalid, match=r"^is no date"):
        dates.moment(said, SANTIAGO)


@pytest.mark.parametrize(
    ("samples", "answer"),
    [
        (["03/04/2025", "14/03/2025 10:00"], False),
        (["03/04/2025", "03/14/2025"], True),
        (["03/04/2025", "2025-03-14"], None),
        ([], None),
    ],
)
def test_month_first_is_told_by_the_column_itself(samples: list[str], answer: bool | None) -> None:
    assert dates.is_month_first(samples) is answer
