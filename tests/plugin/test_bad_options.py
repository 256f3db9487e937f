"""Bad options and models named on the command line: exit code 4 and one line that says what to type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--mcr-tasks", "AQA,VSC"), ("VSC", "AQA, SER")),
        (("--mcr-conditions", "neutral,adverse"), ("--mcr-conditions", "adverse", "did you mean adversarial?")),
        (("--mcr-conditions", ","), ("--mcr-conditions",)),
        (("--mcr-profile", "relaese"), ("--mcr-profile", "relaese", "did you mean release?")),
        (("--mcr-limit", "0"), ("--mcr-limit", "'0'", "at least 1")),
        (("--mcr-limit", "ten"), ("--mcr-limit", "'ten'", "integer")),
        (("--mcr-suite", "benhc"), ("--mcr-suite", "benhc")),
        (("--mcr-mrs-alpha", "1.5"), ("--mcr-mrs-alpha", "1.5", "from 0 to 1")),
        (("--mcr-max-errors", "nan"), ("--mcr-max-errors", "nan")),
        (("--mcr-min-accuracy", "loud=0.5"), ("--mcr-min-accuracy", "loud=0.5", "adversarial")),
        (("--mcr-min-mrs", "neutral=0.5"), ("--mcr-min-mrs", "neutral=0.5")),
        (("--mcr-answer", "guess"), ("--mcr-answer", "guess", "generate, score")),
        (("--mcr-template", "papre"), ("--mcr-template", "did you mean paper?")),
        (("--mcr-device", "gpu"), ("--mcr-device", "gpu", "cuda:N")),
        (("--mcr-dtype", "int8"), ("--mcr-dtype", "int8", "bfloat16")),
        (("--mcr-max-new-tokens", "-1"), ("--mcr-max-new-tokens", "-1")),
        (("--mcr-seed", "x"), ("--mcr-seed", "x")),
    ],
    ids=lambda value: "=".join(value) if value and str(value[0]).startswith("--") else "",
)
def test_a_bad_value(mcr: Runner, data: Path, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    mcr("oracle:listener", data, *args).refused(*words)


def test_a_bad_ini_value_names_the_key(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmcr_profile = strikt\n")
    mcr("oracle:listener", data).refused("mcr_profile", "strikt", "did you mean strict?")


def test_an_unknown_option(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gates", "mrs >= 0.5")
    ran.clean()
    assert ran.code == 4
    assert "--mcr-gates" in ran.text


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lob", ("'lob'", "did you mean lab?")),
        ("oracle:", ("oracle:", "oracle:listener")),
        ("oracle:listener?sed=1", ("'sed'", "did you mean seed?")),
        ("oracle:noisy?p=2", ("p='2'", "between 0 and 1")),
        ("./no-such-folder", ("no-such-folder",)),
        ("lab?order=text-frist", ("order='text-frist'", "did you mean text-first?")),
        ("lab?sytem=Be brief.", ("'sytem'", "did you mean system?")),
        ("lab?system=", ("nothing after system=",)),
        ("replay:none.jsonl", ("none.jsonl",)),
        ("exec:no-such-program", ("no-such-program", "is not on PATH")),
        ("openai:http://127.0.0.1#m", ("openai:",)),
        ("nowhere:factory", ("'nowhere'", "ModuleNotFoundError")),
        ("models:Listner", ("'Listner'", "did you mean Listener?")),
        ("models:not_callable", ("'not_callable'", "callable")),
        ("broken:factory", ("'broken'", "ZeroDivisionError")),
        ("hff:Qwen/Qwen2", ("'hff'", "hf:OWNER/NAME")),
    ],
)
@pytest.mark.usefixtures("factories")
def test_a_bad_model(mcr: Runner, data: Path, spec: str, words: tuple[str, ...], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(broken="1 / 0")
    mcr(spec, data).refused(*words)


@pytest.mark.parametrize(("spec", "words"), [
    ("models:raises", ("raised RuntimeError: weights are missing",)),
    ("models:no_model", ("name, fingerprint, respond",)),
])  # fmt: skip
@pytest.mark.usefixtures("factories")
def test_a_model_that_cannot_be_made_stops_at_once(
    mcr: Runner, data: Path, spec: str, words: tuple[str, ...], mode: Sequence[str]
) -> None:
    ran = mcr(spec, data, *mode)
    ran.clean()
    assert ran.code == 4, ran.text
    assert all(word in ran.text for word in words)
    assert ran.results["verdict"] == "invalid"
    assert len(ran.results["reasons"]) == 1
    assert ran.results["counts"]["cases"] == 0


@pytest.mark.parametrize("text", ["maybe", "2"])
def test_a_switch_in_an_ini_file_is_yes_or_no(mcr: Runner, data: Path, pytester: pytest.Pytester, text: str) -> None:
    pytester.makeini(f"[pytest]\nmcr_trust_remote_code = {text}\n")
    mcr("oracle:listener", data).refused("ini key mcr_trust_remote_code", repr(text), "expected yes or no")


def test_a_switch_takes_no_value_and_wins_over_the_ini_file(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmcr_trust_remote_code = no\n")
    few = ("--mcr-limit", "1", "--mcr-profile", "report")
    assert mcr("oracle:listener", data, *few).results["settings"]["trust_remote_code"] is False
    for mode in ((), ("-n2",)):
        ran = mcr("oracle:listener", data, *few, "--mcr-trust-remote-code", *mode)
        assert ran.results["settings"]["trust_remote_code"] is True
