"""Endpoints are asked twice what decides their gates, over real HTTP and past the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner
from tests.plugin.test_endpoint import Listener, spec
from tests.support.endpoints import Asked, Server

GATE = ("--mcr-gate", "tir[adversarial] <= 0.5")
REPORT = ("--mcr-profile", "report")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_MCR_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


class Wavers:
    """A listener that changes its mind about some questions when it hears them again."""

    def __init__(self, data: Path, about: int) -> None:
        self.listener = Listener(data)
        self.about = about
        self.seen: Counter[tuple[str, bytes | None]] = Counter()

    def __call__(self, asked: Asked) -> str:
        key = (asked.prompt, asked.wav)
        self.seen[key] += 1
        said = self.listener(asked)
        if self.seen[key] == 2 and said in ("yes", "no") and self.about > 0:
            self.about -= 1
            return {"yes": "no", "no": "yes"}[said]
        return said


def test_what_decides_is_asked_twice_and_agrees(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    with Server(answer=Listener(data)) as server:
        ran = mcr(spec(server), data, *GATE, *mode)
        asked = Counter((one.prompt, one.wav) for one in server.asked)
    ran.clean()
    found = ran.results["audit"]["repeat"]
    assert (ran.code, found["verdict"], found["cases"], found["disagreement"]) == (0, "pass", 48, 0)
    assert sum(count >= 2 for count in asked.values()) >= 48
    assert ran.results["audit"]["batch"]["verdict"] == "not_applicable"
    assert "asked twice pass: 0 of 48 cases that decide the gates were answered otherwise" in " ".join(ran.text.split())
    assert len(ran.cases) == 96


def test_a_server_that_changes_its_mind_is_invalid(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    with Server(answer=Wavers(data, about=2)) as server:
        ran = mcr(spec(server), data, *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["audit"]["repeat"]["disagreement"] == pytest.approx(2 / 48)
    [reason] = ran.results["reasons"]
    assert reason.startswith("repeat audit: 2 of 48 cases that decide the gates were answered otherwise")
    assert ran.metric("accuracy", "adversarial") == 1.0  # the first answers are the measurement


def test_the_second_answer_never_comes_from_the_cache(mcr: Runner, data: Path) -> None:
    with Server(answer=Listener(data)) as server:
        assert mcr(spec(server, revision="r1"), data, *GATE).code == 0
        before = len(server.asked)
        ran = mcr(spec(server, revision="r1"), data, *GATE)
        again = len(server.asked) - before
    assert (ran.code, ran.results["counts"]["cached"]) == (0, 96)
    assert ran.results["audit"]["repeat"]["cases"] == 48
    assert 48 <= again < 70  # and the canary
    with Server(answer=Wavers(data, about=0)) as server:
        changed = mcr(spec(server, revision="r1"), data, *REPORT)
        assert changed.results["audit"]["repeat"]["verdict"] == "not_applicable"


def test_a_profile_repeats_every_condition_and_report_none(mcr: Runner, data: Path) -> None:
    with Server(answer=Listener(data)) as server:
        assert mcr(spec(server), data).results["audit"]["repeat"]["cases"] == 96
        first = len(server.asked)
        ran = mcr(spec(server), data, *REPORT)
        assert ran.results["audit"]["repeat"] == {
            "verdict": "not_applicable", "detail": "no case was asked twice", "cases": 0,
        }  # fmt: skip
        assert len(server.asked) - first == first - 96
