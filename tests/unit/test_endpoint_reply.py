import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.endpoint_reply import QUOTED, ReplyError, model_ids, read_reply, words
from tests.support.endpoints import BODIES, MODEL, completion

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "model", "finish_reason"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


def read(body: object) -> str:
    return read_reply(json.dumps(body).encode(), MODEL, MODEL).text


@given(st.text())
def test_a_whole_answer_is_its_text(text: str) -> None:
    assert read(completion(text)) == text
    assert read(completion(text, finish_reason="length")) == text


@given(st.binary(max_size=200))
def test_bytes_are_no_answer(data: bytes) -> None:
    with pytest.raises(ReplyError):
        read_reply(data, MODEL, MODEL)


@given(JSON)
def test_other_json_is_no_answer(body: object) -> None:
    with pytest.raises(ReplyError):
        read(body)


@given(st.text(min_size=1, max_size=30), st.data())
def test_a_body_cut_short_is_no_answer(text: str, data: st.DataObject) -> None:
    whole = json.dumps(completion(text)).encode()
    with pytest.raises(ReplyError):
        read_reply(whole[: data.draw(st.integers(0, len(whole) - 1))], MODEL, MODEL)


@pytest.mark.parametrize("fault", sorted(set(BODIES) - {"length", "main"}))
def test_faulty_bodies_are_refused_in_one_line(fault: str) -> None:
    made: Any = BODIES[fault](completion("yes"))
    with pytest.raises(ReplyError) as error:
        read_reply(made if isinstance(made, bytes) else json.dumps(made).encode(), MODEL, MODEL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [MODEL, f"{MODEL}@main", f"{MODEL}@4f2a"])
def test_names_that_are_the_model_s(name: str) -> None:
    assert read(completion("yes", model=name)) == "yes"


@pytest.mark.parametrize("name", [f"{MODEL}-2", f"x{MODEL}", MODEL.upper(), "", None, 3, [MODEL]])
def test_names_that_are_not(name: object) -> None:
    with pytest.raises(ReplyError, match="the reply is from"):
        read(completion("yes", model=name))


def test_a_name_that_the_user_vouched_for() -> None:
    body = json.dumps(completion("yes", model="m-2026-01-01")).encode()
    assert read_reply(body, "m", "m-2026-01-01").text == "yes"
    with pytest.raises(ReplyError, match="served=m-2026-01-01"):
        read_reply(body, "m", "m")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ReplyError, match="not JSON"):
        read_reply(b"[" * 200_000, MODEL, MODEL)


@given(st.binary(max_size=3000))
def test_quotes_are_one_short_line(data: bytes) -> None:
    assert len(words(data)) <= QUOTED + 3
    assert len(words(data).splitlines()) <= 1


def test_words_of_the_usual_errors() -> None:
    for body in (
        {"error": {"message": "no\nroom"}},
        {"message": "no room"},
        {"detail": "no room"},
        {"error": "no room"},
    ):
        assert words(json.dumps(body).encode()) == "no room"


@given(JSON)
def test_any_list_of_models(body: object) -> None:
    assert model_ids(json.dumps({"data": body}).encode()) == []
