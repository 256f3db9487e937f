from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.endpoint_retry import FIRST, LONGEST, LONGEST_ASKED, backoff, is_retried, retry_after, wait

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DRAWS = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), DRAWS)
def test_waits_are_bounded_and_grow_with_the_tries(tries: int, draw: float) -> None:
    assert 0 <= backoff(tries, draw) <= LONGEST
    assert backoff(tries, draw) <= backoff(tries + 1, draw)
    assert backoff(1, draw) <= FIRST


@given(st.integers(1, 20), st.lists(DRAWS, min_size=2, max_size=2, unique=True))
def test_the_jitter_is_full(tries: int, draws: list[float]) -> None:
    low, high = sorted(draws)
    assert backoff(tries, 0.0) == 0
    assert backoff(tries, low) <= backoff(tries, high)


@given(st.integers(1, 20), DRAWS, st.none() | st.floats(0, LONGEST_ASKED))
def test_nobody_returns_before_the_server_asked(tries: int, draw: float, asked: float | None) -> None:
    assert (asked or 0) <= wait(tries, draw, asked) <= LONGEST + LONGEST_ASKED


@given(st.integers(0, 10**15))
def test_seconds_are_read_and_capped(seconds: int) -> None:
    assert retry_after(str(seconds), NOW) == min(seconds, LONGEST_ASKED)


@given(st.integers(-(10**6), 10**6))
def test_dates_are_read_and_capped(seconds: int) -> None:
    value = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(value, NOW) == min(max(seconds, 0), LONGEST_ASKED)


@given(st.text(max_size=40))
def test_anything_else_asks_for_nothing(text: str) -> None:
    asked = retry_after(text, NOW)
    assert asked is None or 0 <= asked <= LONGEST_ASKED


@pytest.mark.parametrize("value", [None, "", "soon", "-3", "1.5", "nan", "\u0663", "Wed, 99 Foo 2026 00:00:00 GMT"])
def test_what_says_nothing(value: str | None) -> None:
    assert retry_after(value, NOW) is None


def test_which_statuses_are_tried_again() -> None:
    assert [status for status in (301, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 599)
            if is_retried(status)] == [408, 409, 425, 429, 500, 502, 503, 504, 599]  # fmt: skip
