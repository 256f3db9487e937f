import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_mcr.models.hf_complaints import complaints

LOGGER = logging.getLogger("transformers.models.some")


@pytest.fixture
def quiet() -> Iterator[logging.Logger]:
    """The library's logger at the level of TRANSFORMERS_VERBOSITY=error."""
    root = logging.getLogger("transformers")
    before = root.level
    root.setLevel(logging.ERROR)
    yield root
    root.setLevel(before)


def in_a_thread(act: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result()


def test_complaints_are_heard_at_any_verbosity_and_others_pass(quiet: logging.Logger) -> None:
    with complaints() as heard:
        LOGGER.warning("Keyword argument `x` will be\nignored.")
        LOGGER.warning("It is late.")
        warnings.warn("Audio is truncated", stacklevel=1)
    assert heard == ["Keyword argument `x` will be ignored.", "Audio is truncated"]
    assert quiet.level == logging.ERROR
    with pytest.warns(UserWarning, match="late"), complaints():
        warnings.warn("It is late.", stacklevel=1)


def test_nothing_is_heard_before_or_after() -> None:
    LOGGER.warning("ignored before")
    with complaints() as heard:
        pass
    LOGGER.warning("ignored after")
    assert heard == []


def test_a_warning_that_came_before_is_heard_again() -> None:
    def warn() -> None:
        warnings.warn("unused argument", stacklevel=1)

    for _ in range(2):  # python's own memory gives a warning once a place
        with complaints() as heard:
            warn()
        assert heard == ["unused argument"]


def test_threads_hear_themselves_only() -> None:
    """Two blocks that overlap without being nested: A opens, B opens, A closes, B closes."""
    opened, closed = threading.Event(), threading.Event()

    def other() -> list[str]:
        with complaints() as heard:
            LOGGER.warning("ignored by B")
            opened.set()
            closed.wait(10)
            LOGGER.warning("ignored by B, late")
        return heard

    with ThreadPoolExecutor(1) as pool:
        with complaints() as heard:
            running = pool.submit(other)
            assert opened.wait(10)
            LOGGER.warning("ignored by A")
        closed.set()
        assert running.result() == ["ignored by B", "ignored by B, late"]
    assert heard == ["ignored by A"]


def test_the_level_is_put_back_by_the_last_who_leaves(quiet: logging.Logger) -> None:
    with complaints() as outer:
        with complaints() as inner:
            LOGGER.warning("ignored")
        assert quiet.level == logging.WARNING
        LOGGER.warning("truncated")
    assert (outer, inner) == (["ignored", "truncated"], ["ignored"])
    assert quiet.level == logging.ERROR
    assert not [one for one in quiet.handlers if type(one).__name__ == "_Ear"]


def test_another_thread_leaves_the_warning_filters_alone() -> None:
    filters, show = list(warnings.filters), warnings.showwarning

    def look() -> tuple[bool, bool]:
        with complaints():
            return list(warnings.filters) == filters, warnings.showwarning is show

    assert in_a_thread(look) == (True, True)
    assert look() == (False, False)  # the control: in the main thread they are changed, and put back
    assert (list(warnings.filters), warnings.showwarning) == (filters, show)


def test_a_warning_of_another_thread_is_not_ours() -> None:
    def warn() -> None:
        warnings.warn("file truncated", stacklevel=1)

    heard: list[str] = []

    def listen() -> None:
        with complaints() as said:
            in_a_thread(warn)
        heard.extend(said)

    with pytest.warns(UserWarning, match="file truncated"):
        listen()
    assert heard == []
