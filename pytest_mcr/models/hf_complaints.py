"""What transformers logs or warns about inputs that it ignores or cuts, heard for one thread at a time.

Features are made in one thread while prompts are tokenised in another, so what is logged is kept apart by thread.
Python's own warnings are heard in the main thread only: their filters are one state of the whole process, and another
thread that saves and restores them while a test ends and the next begins would give this one the filters of that.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Final, TextIO

_ALARMS: Final = ("ignored", "not a valid argument", "truncat", "not used", "unused")
_LOGGER: Final = "transformers"


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what the calling thread makes transformers say about things it ignores or cuts.

    Yields:
        The messages, one line each; those from warnings are there once the block is left.
    """
    heard: list[str] = []
    in_main = threading.current_thread() is threading.main_thread()
    with _EAR.listening(heard), _warnings_into(heard) if in_main else contextlib.nullcontext():
        yield heard


class _Ear(logging.Handler):
    """One handler for all threads: each record goes to the list of the thread that logged it.

    The logger's level is lowered while anyone listens (TRANSFORMERS_VERBOSITY=error must not blind the check) and put
    back by the last who leaves.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lists: dict[int, list[list[str]]] = {}
        self._guard = threading.Lock()
        self._restore: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        for heard in self._lists.get(threading.get_ident(), ()):
            _keep(record.getMessage(), heard)

    @contextlib.contextmanager
    def listening(self, heard: list[str]) -> Iterator[None]:
        me = threading.get_ident()
        with self._guard:
            if not self._lists:
                self._begin()
            self._lists.setdefault(me, []).append(heard)
        try:
            yield
        finally:
            with self._guard:
                self._lists[me].pop()
                if not self._lists[me]:
                    del self._lists[me]
                if not self._lists:
                    self._end()

    def _begin(self) -> None:
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(self)
        if logger.getEffectiveLevel() > logging.WARNING:
            self._restore = logger.level
            logger.setLevel(logging.WARNING)

    def _end(self) -> None:
        logger = logging.getLogger(_LOGGER)
        logger.removeHandler(self)
        if self._restore is not None:
            logger.setLevel(self._restore)
            self._restore = None


_EAR: Final = _Ear()


@contextlib.contextmanager
def _warnings_into(heard: list[str]) -> Iterator[None]:
    """Take this thread's alarming warnings; others, and other threads', are given again afterwards."""
    me = threading.get_ident()
    caught: list[tuple[int, warnings.WarningMessage]] = []

    def take(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        one = warnings.WarningMessage(message, category, filename, lineno)
        caught.append((threading.get_ident(), one))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = take
        yield
    for thread, warning in caught:
        if thread != me or not _keep(str(warning.message), heard):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _keep(text: str, heard: list[str]) -> bool:
    alarming = any(word in text.lower() for word in _ALARMS)
    if alarming:
        heard.append(" ".join(text.split()))
    return alarming
