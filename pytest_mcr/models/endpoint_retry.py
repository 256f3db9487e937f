"""When a failed request is tried again, and after how long; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

RETRIED: Final = frozenset((408, 409, 425, 429))
"""Statuses below 500 that say nothing against the request itself."""
FIRST: Final = 0.5
LONGEST: Final = 30.0
"""Upper limits of the first wait and of any wait, in seconds."""
LONGEST_ASKED: Final = 60.0
"""Seconds that a server's ``Retry-After`` is honoured for at most."""


def is_retried(status: int) -> bool:
    """Whether a request that was answered with this status is worth another try."""
    return status in RETRIED or status >= 500


def backoff(tries: int, draw: float) -> float:
    """Seconds to wait after some failed tries: exponential, with full jitter.

    Args:
        tries: that failed, 1 or more.
        draw: uniform in [0, 1).
    """
    return draw * min(LONGEST, FIRST * 2.0 ** min(tries - 1, 16))


def wait(tries: int, draw: float, asked: float | None) -> float:
    """Seconds until the next try: the backoff, after what the server asked for.

    Args:
        tries: that failed, 1 or more.
        draw: uniform in [0, 1).
        asked: from `retry_after`.
    """
    return backoff(tries, draw) + (asked or 0.0)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks to wait, from 0 to `LONGEST_ASKED`; None where it says nothing.

    Args:
        value: seconds, or a date as HTTP writes it.
        now: with a time zone.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), LONGEST_ASKED)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    try:
        seconds = (when - now).total_seconds()
    except OverflowError:
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED)
