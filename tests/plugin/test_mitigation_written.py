"""Rules in free generation through the plugin: the same rows in every mode, cached, refused in one line elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import pytest_mcr.run.mitigation  # noqa: F401  # imported once, as in conftest.py
from tests.plugin.conftest import MODES, Ran, Runner

ARMS = ("gacl?lambda=1&decode=generate&mask=0.0001", "aad?alpha=0&decode=generate")
WORDS = ("--mcr-suite=mitigation", "--mcr-profile=report", *(f"--mcr-mitigation={arm}" for arm in ARMS))
OWN = "joint?decode=generate"


def values(results: dict[str, Any], metric: str, condition: str | None = None) -> dict[str, float]:
    return {
        row["arm"]: row["value"]
        for row in results["metrics"]
        if "arm" in row and (row["metric"], row["condition"], row["task"]) == (metric, condition, "*")
    }


@pytest.mark.slow
def test_the_rows_are_the_same_in_every_mode_and_from_the_cache(pytester: pytest.Pytester) -> None:
    few = ("--mcr-model=lab", *WORDS, "--mcr-tasks=SER", "--mcr-limit=2")
    kept = f"--mcr-cache={pytester.path / 'cache'}"
    modes = {"bare": (kept,), "n0": (kept, *MODES["n0"]), "n2": ("--mcr-cache=off", *MODES["n2"])}
    found = {}
    for mode, words in modes.items():
        out = pytester.path / mode
        ran = pytester.runpytest_subprocess(*few, "--mcr-out", str(out), *words)  # torch cannot come twice in a process
        assert ran.ret == 0, ran.stdout.str()
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        found[mode] = {key: results[key] for key in ("metrics", "mitigation")}
    assert found["n0"] == found["n2"] == found["bare"]
    assert found["bare"]["mitigation"]["arms"] == ["joint", "hard-switch", OWN, *ARMS]
    assert list(values(found["bare"], "passes").values()) == [1, 1, 1, 2, 2]
    gains = values(found["bare"], "gain")
    assert gains[ARMS[0]] == 1  # both texts were followed, and both clips heard
    assert gains[ARMS[1]] == gains[OWN] == 0  # no strength: the model's own answer


def one_line(ran: Ran, arm: str) -> None:
    assert ran.code == 0, ran.text
    assert values(ran.results, "gain")[arm] is None
    [note] = {row["note"] for row in ran.results["metrics"] if row.get("arm") == arm and row["metric"] == "gain"}
    assert "\n" not in note
    assert "a local model" in note
    assert "free generation by a rule needs" in " ".join(ran.text.split())
    ran.clean()


@pytest.mark.parametrize("words", [("-n0",), ("-n2",)])
def test_a_planted_model_has_no_distributions(mcr: Runner, data: Path, words: Sequence[str]) -> None:
    ran = mcr("oracle:text-follower", data, *WORDS, "--mcr-mitigation=gacl?lambda=1", *words)
    one_line(ran, ARMS[0])
    gains = values(ran.results, "gain")
    assert (gains["hard-switch"], gains["gacl?lambda=1"], gains[OWN]) == (1, 1, 0)


def test_nor_has_a_model_of_ones_own(mcr: Runner, data: Path, factories: Path) -> None:
    one_line(mcr("models:Listener", data, *WORDS), ARMS[1])


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("gacl?decode=sample", ("for decode one of score, generate", "'sample'")),
        ("gacl?decode=generate&mask=0", ("for mask a number above 0 and at most 1", "'0'")),
        ("aad?mask=0.1", ("mask beside decode=generate alone",)),
        ("acd?decode=generate", ("KEY one of alpha, perturber, snr", "'decode=generate'")),
    ],
)
def test_refusals(mcr: Runner, data: Path, arm: str, said: Sequence[str]) -> None:
    mcr("oracle:listener", data, f"--mcr-mitigation={arm}").refused(*said)
