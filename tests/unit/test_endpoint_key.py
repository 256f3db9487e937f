from pathlib import Path

import pytest

from pytest_mcr.errors import ModelError
from pytest_mcr.models import endpoint
from pytest_mcr.models.endpoint_key import ApiKey, key_of_environment
from pytest_mcr.models.protocol import Model
from pytest_mcr.models.resolve import check
from pytest_mcr.models.spec import parse_spec
from tests.support.endpoints import MODEL, Server, requests

OURS, THEIRS = "PYTEST_MCR_API_KEY", "OPENAI_API_KEY"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OURS, THEIRS):
        monkeypatch.delenv(name, raising=False)


def load(server: Server, options: str = "") -> Model:
    return endpoint.load(parse_spec(f"openai:{server.url}#{MODEL}?scores=none{options}", invocation_dir=Path()))


def test_ours_goes_before_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_of_environment() == ApiKey(None, "")
    monkeypatch.setenv(THEIRS, "theirs")
    assert key_of_environment().source == THEIRS
    monkeypatch.setenv(OURS, " ours\n")
    assert key_of_environment().headers("https://h/v1") == {"Authorization": "Bearer ours"}


def test_a_key_of_openai_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ApiKey(THEIRS, "sk")
    assert key.headers("https://api.example/v1")
    assert key.headers("http://127.0.0.1:8000/v1")
    assert key.headers("http://api.example/v1") == {}
    assert "set PYTEST_MCR_API_KEY instead" in key.advice("http://api.example/v1")
    assert ApiKey(OURS, "sk").headers("http://api.example/v1")


@pytest.mark.parametrize("value", ["sk-\u00e9", "sk\x7f", "a\nb"])
def test_a_key_that_no_header_takes_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(OURS, value)
    with pytest.raises(ModelError, match=OURS) as error:
        key_of_environment()
    assert value not in str(error.value)


def test_a_key_is_not_shown() -> None:
    key = ApiKey(OURS, "sk-secret")
    assert "sk-secret" not in f"{key!r}{key}"
    assert key.hide("bad key sk-secret!") == "bad key [API key]!"
    assert ApiKey(None, "").hide("text") == "text"
    assert not ApiKey(None, "").is_in("text")


def test_no_key_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server:
        prints = set()
        for value in ("", "one", "two"):
            monkeypatch.setenv(OURS, value)
            model = load(server)
            prints.add(model.fingerprint())
            model.close()  # type: ignore[attr-defined]
        assert len(prints) == 1


def test_what_can_change_an_answer_changes_the_fingerprint() -> None:
    with Server() as one, Server() as two:
        prints = []
        for server, options in (
            (one, ""), (two, ""), (one, "&system=Be+brief"), (one, "&rate=16000"), (one, "&revision=a"),
            (one, "&revision=b"), (one, "&limit=max_completion_tokens"),
        ):  # fmt: skip
            model = load(server, options)
            prints.append(model.fingerprint())
            model.close()  # type: ignore[attr-defined]
        assert len(set(prints)) == len(prints)
        model = load(two, "&revision=a&timeout=3&retries=1&concurrency=2&budget=9")
        assert model.fingerprint() == prints[4], "a named revision is the same wherever, and however fast, it is served"
        assert model.respond(requests(1))[0].text
        model.close()  # type: ignore[attr-defined]


def test_without_httpx_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError) as error:
        check(parse_spec("openai:http://127.0.0.1:1/v1#m", invocation_dir=Path()), Path())
    assert str(error.value) == "openai: httpx not installed; type: pip install 'pytest-mcr[endpoint]'"
