"""``openai:`` against a real HTTP server that misbehaves: nothing is lost, and no failure text becomes an answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_mcr.errors import ModelError
from pytest_mcr.models import endpoint, endpoint_retry, endpoint_servers
from pytest_mcr.models.protocol import Model, Request
from pytest_mcr.models.spec import parse_spec
from tests.support.endpoints import BODIES, FAILURE_WORDS, MODEL, PASSING, Asked, Server, expected, requests

Connect = Callable[..., Model]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Load an endpoint on servers; options as keywords."""
    for name in ("PYTEST_MCR_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint_retry, "FIRST", 0.05)
    with ExitStack() as stack:

        def load(*servers: Server, **options: object) -> Model:
            first, *more = [server.url for server in servers]
            tail = "&".join(f"{name}={value}" for name, value in {"scores": "none", **options}.items())
            spec = parse_spec(f"openai:{','.join([f'{first}#{MODEL}', *more])}?{tail}", invocation_dir=Path())
            model = endpoint.load(spec)
            stack.callback(model.close)  # type: ignore[attr-defined]
            return model

        yield load


def after_loading(fault: str, times: int = 10**9) -> Callable[[Asked], str | None]:
    """A fault of the first `times` questions; the model is loaded without."""
    left = times

    def choose(asked: Asked) -> str | None:
        nonlocal left
        if not asked.prompt.startswith("question") or left <= 0:
            return None
        left -= 1
        return fault

    return choose


def test_every_request_gets_its_own_answer_audio_first(connect: Connect) -> None:
    with Server() as server:
        model = connect(server, system="Be brief", concurrency=4)
        asked = [*requests(8), Request("AQA-9999-neutral", None, "question without a clip", (), 7, False)]
        assert [one.text for one in model.respond(asked)] == [expected(one) for one in asked]
        assert server.most_at_once <= 4
        body = server.asked[-1].body
        for got in server.asked[-8:]:
            kinds = [part["type"] for part in got.parts]
            assert kinds == ["input_audio", "text"] or got.prompt == "question without a clip"
        assert body["messages"][0] == {"role": "system", "content": "Be brief"}
        assert (body["temperature"], body["frequency_penalty"], body["repetition_penalty"]) == (0, 0, 1)
        assert {got.body["max_tokens"] for got in server.asked[-9:]} == {16, 7}
        assert not any("Authorization" in got.headers for got in server.asked)


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again(connect: Connect, fault: str) -> None:
    with Server(fault=after_loading(fault, times=2)) as server:
        model = connect(server, timeout=0.5)
        [one] = model.respond(requests(1))
        assert (one.text, one.error) == (expected(requests(1)[0]), None)


@pytest.mark.parametrize("fault", [*PASSING, "two choices", "list content", "no message", "unfinished", "error body"])
def test_a_lasting_fault_is_an_error_that_names_server_and_tries(connect: Connect, fault: str) -> None:
    with Server(fault=after_loading(fault)) as server:
        model = connect(server, timeout=0.3, retries=1)
        [one] = model.respond(requests(1))
        assert one.text is None
        assert one.scores is None
        assert one.error is not None
        assert one.error.startswith(f"openai: {server.url}: ")
        assert "tried 2 times" in one.error
        assert "\n" not in one.error


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400", "HTTP 400: internal failure words"),
        ("404", f"asked for model '{MODEL}', the server has one, two"),
        ("401", "set the environment variable PYTEST_MCR_API_KEY"),
        ("redirect", "redirects to http://elsewhere.invalid, which is not followed"),
        ("content filter", "filtered"),
        ("refusal", "refused"),
        ("other model", "the reply is from 'another-model'; name that model after the #, or add served=another-model"),
        ("no model", "the reply is from None"),
    ],
)
def test_what_another_try_cannot_mend_is_an_error_at_once(connect: Connect, fault: str, words: str) -> None:
    with Server(fault=after_loading(fault), models=["one", "two"]) as server:
        model = connect(server)
        before = len(server.asked)
        [one] = model.respond(requests(1))
        assert one.text is None
        assert words in str(one.error)
        assert len(server.asked) == before + 1


@pytest.mark.parametrize("fault", ["length", "main", "slow"])
def test_answers_that_are_answers(connect: Connect, fault: str) -> None:
    with Server(fault=after_loading(fault)) as server:
        [one] = connect(server).respond(requests(1))
        assert one.text == expected(requests(1)[0])


def test_an_empty_text_is_what_the_model_said(connect: Connect) -> None:
    with Server(answer=lambda asked: "") as server:
        [one] = connect(server).respond(requests(1))
        assert (one.text, one.error) == ("", None)


@pytest.mark.parametrize(("fault", "least"), [("busy", 1.0), ("busy date", 0.9)])
def test_retry_after_is_honoured(connect: Connect, fault: str, least: float) -> None:
    with Server(fault=after_loading(fault, times=1)) as server:
        model = connect(server)
        began = time.monotonic()
        [one] = model.respond(requests(1))
        assert one.error is None
        assert least <= time.monotonic() - began < 5


def test_a_server_that_drips_does_not_hold_the_run(connect: Connect) -> None:
    with Server(fault=after_loading("drip")) as server:
        model = connect(server, timeout=0.5, retries=0)
        began = time.monotonic()
        [one] = model.respond(requests(1))
        assert "no answer within 0.5 s" in str(one.error)
        assert time.monotonic() - began < 3


def test_many_questions_through_thirty_per_cent_faults(connect: Connect) -> None:
    draw = random.Random(7)
    kinds = [fault for fault in PASSING if fault != "hang"] * 3 + ["hang"]

    def fault(asked: Asked) -> str | None:
        return draw.choice(kinds) if asked.prompt.startswith("question") and draw.random() < 0.3 else None

    with Server(fault=fault) as server:
        model = connect(server, concurrency=32, timeout=1, retries=12)
        asked = requests(200)
        given = model.respond(asked)
        assert len(server.asked) > 250
    assert [one.error for one in given if one.error] == []
    assert [one.text for one in given] == [expected(one) for one in asked]


def test_a_dead_server_ends_in_errors_within_the_budget(connect: Connect) -> None:
    with Server() as server:
        model = connect(server, retries=50, budget=2, concurrency=8)
        assert all(one.error is None for one in model.respond(requests(8)))
        server.die()
        began = time.monotonic()
        given = model.respond(requests(40))
        assert time.monotonic() - began < 6
        assert all(one.text is None and server.url in str(one.error) for one in given)
        assert any("nothing is tried again after 2 s" in str(one.error) for one in given)
        began = time.monotonic()
        assert all(one.error for one in model.respond(requests(200)))
        assert time.monotonic() - began < 2, "the budget is spent once, not once a question"


def test_a_server_that_comes_back_is_used_again(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_servers, "PAUSE", 0.3)
    server = Server()
    model = connect(server, retries=50, budget=0.2)
    server.die()
    assert all(one.error for one in model.respond(requests(8)))
    time.sleep(0.4)
    with Server(port=server.port):
        assert [one.text for one in model.respond(requests(8))] == [expected(one) for one in requests(8)]


def test_the_first_question_of_every_clip_goes_first(connect: Connect) -> None:
    with Server() as server:
        model = connect(server, concurrency=1)
        before = len(server.asked)
        asked = requests(32, clips=8)
        assert [one.text for one in model.respond(asked[::-1])] == [expected(one) for one in asked[::-1]]
        heard = [got.wav for got in server.asked[before:]]
        assert [len(set(heard[at : at + 8])) for at in range(0, 32, 8)] == [8] * 4


def test_clips_keep_to_their_server_and_move_when_it_dies(connect: Connect) -> None:
    with Server() as one, Server() as two:
        model = connect(one, two, budget=20)
        loading = (len(one.asked), len(two.asked))
        asked = requests(96)
        assert [given.text for given in model.respond(asked)] == [expected(request) for request in asked]
        first, second = ({got.wav for got in server.asked[n:]} for server, n in zip((one, two), loading, strict=True))
        assert not first & second, "the questions of a clip went to both servers"
        assert len(first) + len(second) == 24
        assert min(len(first), len(second)) >= 4
        one.die()
        assert [given.text for given in model.respond(asked)] == [expected(request) for request in asked]


def test_a_server_that_dies_in_the_middle_loses_nothing(connect: Connect) -> None:
    with Server(fault=after_loading("slow")) as one, Server() as two:
        original = one.fault

        def dies(asked: Asked) -> str | None:
            if len(one.asked) == 20:
                one._stopping.set()
                one._http.server_close()
            return "drop" if len(one.asked) >= 20 else original(asked)

        one.fault = dies
        model = connect(one, two, concurrency=8)
        asked = requests(200)
        given = model.respond(asked)
        assert [answer.text for answer in given] == [expected(request) for request in asked]
        one._http.shutdown()


def test_no_body_of_a_failure_is_ever_an_answer(connect: Connect) -> None:
    answers = {"length", "main"}
    for fault in sorted(set(BODIES) - answers):
        with Server(fault=after_loading(fault)) as server:
            [one] = connect(server, retries=0).respond(requests(1))
            assert one.text is None, fault
            assert one.error, fault


def test_loading_says_what_is_wrong(connect: Connect) -> None:
    with (
        Server(fault=lambda asked: "404", models=["x"]) as server,
        pytest.raises(ModelError, match="the server has x") as error,
    ):
        connect(server)
    assert FAILURE_WORDS in str(error.value)
    gone = Server()
    gone.die()
    with pytest.raises(ModelError, match=rf"{gone.url}: cannot connect .*tried 1 times"):
        connect(gone, retries=0)
    spec = parse_spec(f"openai:{gone.url}#{MODEL}", invocation_dir=Path())
    with pytest.raises(ModelError, match="start the server, or correct the URL"):
        endpoint.check_servers(spec)


def test_loopback_is_reached_past_the_proxy_of_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Server() as server:
        [one] = connect(server, retries=0).respond(requests(1))
        assert one.error is None


def test_a_server_that_takes_only_the_standard_gets_only_that(connect: Connect) -> None:
    with Server(fault=lambda asked: "422" if "repetition_penalty" in asked.body else None) as server:
        model = connect(server, scores="auto")
        assert [one.text for one in model.respond(requests(4))] == [expected(one) for one in requests(4)]
        assert not {"repetition_penalty", "return_token_ids"} & set(server.asked[-1].body)
        assert str(model.traits["scores"]).startswith("none: ")  # type: ignore[attr-defined]
