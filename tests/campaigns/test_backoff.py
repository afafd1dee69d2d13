from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.backoff import DELAYS, retry_at

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 5), (3, 20), (4, 60), (5, 60), (50, 60)])
def test_backoff_grows_with_the_attempts_and_is_capped(attempt: int, minutes: int) -> None:
    wait = retry_at(NOW, attempt, 7, None) - NOW
    assert timedelta(minutes=minutes) <= wait <= timedelta(minutes=minutes) * 1.25


@pytest.mark.parametrize("seconds", [0, 0.5, 30, 3600])
def test_backoff_waits_as_long_as_the_provider_asks(seconds: float) -> None:
    assert retry_at(NOW, 3, 7, seconds) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -5.0, 1e15])
def test_backoff_survives_what_a_provider_may_say(seconds: float) -> None:
    """failures.md row 5: a senseless wait of one row must not break the batch it is in."""
    assert NOW <= retry_at(NOW, 1, 7, seconds) <= NOW + timedelta(days=1)


@given(st.integers(1, 9), st.integers(0, 10**9))
@settings(max_examples=100)
def test_backoff_of_an_attempt_is_always_the_same(attempt: int, seed: int) -> None:
    assert retry_at(NOW, attempt, seed, None) == retry_at(NOW, attempt, seed, None)


def test_backoff_spreads_those_who_failed_together() -> None:
    moments = {retry_at(NOW, 1, seed, None) for seed in range(100)}
    assert (len(moments), max(moments) - min(moments) > DELAYS[0] * 0.2) == (100, True)
