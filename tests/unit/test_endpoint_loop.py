"""The event loop of an endpoint: any thread may wait for it, other loops are left alone, nothing of it stays behind."""

from __future__ import annotations

import _thread
import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_mcr.errors import ModelError
from pytest_mcr.models import endpoint
from pytest_mcr.models.endpoint_loop import NAME, LoopThread
from pytest_mcr.models.protocol import Model
from pytest_mcr.models.spec import parse_spec
from tests.support.endpoints import MODEL, Server, expected, requests


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def load(server: Server, options: str = "") -> Model:
    return endpoint.load(parse_spec(f"openai:{server.url}#{MODEL}?scores=none{options}", invocation_dir=Path()))


def settled(server: Server, count: int) -> int:
    """Connections that are open, once there are as few as expected or two seconds are over."""
    deadline = time.monotonic() + 2
    while server.open_connections > count and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.open_connections


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = len(ours())
    yield
    assert len(ours()) == before


def test_connections_outlive_a_call_and_end_with_the_model() -> None:
    with Server() as server:
        model = load(server, "&concurrency=3")
        assert len(ours()) == 1
        for _ in range(5):
            model.respond(requests(12))
        assert 1 <= server.open_connections <= 4
        model.close()  # type: ignore[attr-defined]
        model.close()  # type: ignore[attr-defined]
        assert ours() == []
        assert settled(server, 0) == 0
        with pytest.raises(ModelError, match="was closed"):
            model.respond(requests(1))


def test_a_caller_may_run_an_event_loop_of_its_own() -> None:
    async def caller(model: Model) -> list[str | None]:
        loop = asyncio.get_running_loop()
        given = [one.text for one in model.respond(requests(4))]
        assert asyncio.get_running_loop() is loop
        return given

    with Server() as server:
        model = load(server)
        assert asyncio.run(caller(model)) == [expected(one) for one in requests(4)]
        model.close()  # type: ignore[attr-defined]


def test_several_threads_may_ask_at_once() -> None:
    with Server() as server:
        model = load(server, "&concurrency=4")
        with ThreadPoolExecutor(4) as pool:
            given = list(pool.map(lambda _: [one.text for one in model.respond(requests(16))], range(4)))
        assert given == [[expected(one) for one in requests(16)]] * 4
        assert server.most_at_once <= 4, "the limit is the model's, not a call's"
        model.close()  # type: ignore[attr-defined]


def test_ctrl_c_gives_up_what_was_asked_and_the_model_still_works() -> None:
    hanging = True
    with Server(fault=lambda asked: "hang" if hanging and asked.prompt.startswith("question") else None) as server:
        model = load(server, "&concurrency=2")
        asked_at_load = len(server.asked)
        threading.Timer(0.3, _thread.interrupt_main).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            model.respond(requests(8))
        assert time.monotonic() - began < 3
        assert len(server.asked) == asked_at_load + 2
        hanging = False
        began = time.monotonic()
        assert [one.text for one in model.respond(requests(4))] == [expected(one) for one in requests(4)]
        assert time.monotonic() - began < 3, "the places of what was given up are free"
        model.close()  # type: ignore[attr-defined]


def test_closing_does_not_wait_for_a_server_that_hangs() -> None:
    with Server(fault=lambda asked: "hang" if asked.prompt.startswith("question") else None) as server:
        model = load(server)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(model.respond, requests(1))
            while not any(asked.prompt.startswith("question") for asked in server.asked):
                time.sleep(0.01)
            began = time.monotonic()
            model.close()  # type: ignore[attr-defined]
            assert time.monotonic() - began < 3
            assert waiting.exception(3) is not None


def test_a_load_that_fails_leaves_no_thread() -> None:
    with Server(fault=lambda asked: "404") as server, pytest.raises(ModelError):
        load(server)
    assert ours() == []


def test_what_the_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise LookupError("this")

    async def nothing() -> None:
        pass

    loop = LoopThread()
    with pytest.raises(LookupError, match="this"):
        loop.run(fails())
    loop.close(nothing)
