"""Work done ahead: results of clips made by a thread of their own, kept until they are asked for once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pytest_mcr.models.protocol import Audio

CLIPS: Final = 32
"""Most clips kept: at 30 s and 128 mel bins 1.5 MB each."""
STALE: Final = 4 * CLIPS
"""Clips taken after which one that nobody took is dropped, e.g. of a chunk that was given up."""

Made = TypeVar("Made")
Key = tuple[str, int, int]


def key_of(audio: Audio) -> Key:
    """A clip's identity after resampling: its digest is that of the clip as decoded, before it was resampled or cut."""
    return audio.digest, len(audio.samples), audio.rate


@dataclass(slots=True)
class _Entry(Generic[Made]):
    future: Future[Made]
    born: int


class Ahead(Generic[Made]):
    """A bounded store that one thread fills.

    Args:
        make: what to do with a clip; called in that thread only, so that it may own things that are not thread-safe.
        clips: most clips kept or waiting.
        stale: see `STALE`.
    """

    def __init__(self, make: Callable[[Audio], Made], clips: int = CLIPS, stale: int = STALE) -> None:
        self._make = make
        self._clips = clips
        self._stale = stale
        self._taken = 0
        self._entries: dict[Key, _Entry[Made]] = {}
        self._guard = threading.Lock()
        self._worker: ThreadPoolExecutor | None = None

    def order(self, audio: Audio) -> bool:
        """Have a clip made, unless it is already, or the store is full.

        Returns:
            Whether it was ordered now.
        """
        key = key_of(audio)
        with self._guard:
            self._drop_stale()
            if key in self._entries or len(self._entries) >= self._clips:
                return False
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, "mcr-features")
            self._entries[key] = _Entry(self._worker.submit(self._make, audio), self._taken)
            return True

    def take(self, audio: Audio) -> Made | None:
        """A clip's result, waited for if it is being made; None when it was not ordered.

        Raises:
            BaseException: what making it raised.
        """
        with self._guard:
            self._taken += 1
            entry = self._entries.pop(key_of(audio), None)
        return None if entry is None else entry.future.result()

    def close(self) -> None:
        """Forget everything; the thread ends after the clip that it is at."""
        with self._guard:
            self._entries.clear()
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=True, cancel_futures=True)

    def _drop_stale(self) -> None:
        for key in [key for key, entry in self._entries.items() if self._taken - entry.born >= self._stale]:
            self._entries.pop(key).future.cancel()
