from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import ModelError
from pytest_mcr.glue.flags import OPTIONS as FLAGS
from pytest_mcr.models.endpoint_target import BUDGET, OPTIONS, RETRIES, TIMEOUT, Target, is_loopback, parse_target
from pytest_mcr.models.process_command import Command
from pytest_mcr.models.spec import parse_spec

HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
MODELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,30}", fullmatch=True)


def target(text: str) -> Target:
    return parse_target(parse_spec(text, invocation_dir=Path()))


@given(
    st.lists(st.tuples(HOSTS, st.integers(1, 65_535)), min_size=1, max_size=5, unique=True),
    MODELS,
    st.integers(1, 4096),
    st.sampled_from(["", "/v1", "/v1/", "/v1/chat/completions"]),
)
def test_what_is_written_is_read(places: list[tuple[str, int]], model: str, concurrency: int, tail: str) -> None:
    first, *more = [f"http://{host}:{port}{tail}" for host, port in places]
    read = target(f"openai:{','.join([f'{first}#{model}', *more])}?concurrency={concurrency}&system=a%20b")
    assert read.urls == tuple(f"http://{host}:{port}/v1" for host, port in places)
    assert (read.model, read.served, read.concurrency, read.system) == (model, model, concurrency, "a b")


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_one_line(text: str) -> None:
    problem, read = "", None
    try:
        read = target(f"openai:{text}")
    except ModelError as error:
        problem = str(error)
    if read is None:
        assert len(problem.splitlines()) == 1
    else:
        assert all(url.startswith(("http://", "https://")) for url in read.urls)


def test_a_path_before_v1_and_ipv6_are_kept() -> None:
    assert target("openai:https://gate.example/team/openai/v1#m").urls == ("https://gate.example/team/openai/v1",)
    assert target("openai:http://[::1]:8000#m").urls == ("http://[::1]:8000/v1",)
    assert is_loopback("http://[::1]:8000/v1")
    assert is_loopback("http://localhost/v1")
    assert not is_loopback("http://localhost.example/v1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://h/v1", "no #MODEL after the URL"),
        ("http://h/v1#", "no #MODEL"),
        ("ftp://h/v1#m", "not an http or https URL"),
        ("h:8000#m", "not an http or https URL"),
        ("http://h:99999/v1#m", "not a URL"),
        ("http://h/v1#m,http://h/v1", "given twice"),
        ("http://h/v1#m,http://g/v1#n", "names a model again"),
        ("http://h/v1?x#m", "has a query"),
        ("http://h/v1#m?concurrency=0", "concurrency='0'"),
        ("http://h/v1#m?concurrency=many", "a whole number from 1 to 4096"),
        ("http://h/v1#m?timeout=0", "timeout='0'"),
        ("http://h/v1#m?timeout=-1", "expected seconds"),
        ("http://h/v1#m?retries=-1", "retries='-1'"),
        ("http://h/v1#m?scores=maybe", "auto, none, prompt_logprobs"),
        ("http://h/v1#m?concurency=2", "did you mean concurrency?"),
        ("http://h/v1#m?revision=", "nothing after revision="),
    ],
)
def test_refusals_name_the_culprit(text: str, words: str) -> None:
    with pytest.raises(ModelError) as error:
        target(f"openai:{text}")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:sk-SECRET@h/v1#m",
        "http://sk-SECRET@h/v1#m",
        "http://h/v1#m,http://sk-SECRET@g/v1",
        "http://h/v1?api_key=sk-SECRET#m",
        "http://h/v1?x=1&token=sk-SECRET#m",
        "http://h/v1?key#sk-SECRET",
        "http://h/v1#m?api_key=sk-SECRET",
        "http://h/v1#m?api-key=sk-SECRET",
        "http://h/v1#m?Authorization=sk-SECRET",
        "http://h/v1#m?password=sk-SECRET",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ModelError, match="PYTEST_MCR_API_KEY") as error:
        target(f"openai:{text}")
    assert "SECRET" not in str(error.value)


def test_help_states_the_limits_that_hold() -> None:
    [words] = [option.help for option in FLAGS if option.flag == "--mcr-model"]
    assert f"openai: {TIMEOUT:g} s a try, {RETRIES} more tries, {BUDGET:g} s without an answer from any server" in words
    exec_ = {field.name: field.default for field in fields(Command)}
    assert f"exec: {exec_['start']:g} s for a child's first line, {exec_['timeout']:g} s without an answer" in words


def test_every_option_says_what_it_does() -> None:
    assert all(choice.help and choice.shown for choice in OPTIONS.values())
