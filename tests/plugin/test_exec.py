"""``exec:`` end to end: the same oracle inside and outside, what ends a run, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import Ran, Runner
from tests.unit.process_lab import left_behind

GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")
REPORT = ("--mcr-profile", "report")
PARTS = Path(__file__).parent / "exec_workers"
Oracle = Callable[[str], str]


@pytest.fixture
def oracle(data: Path) -> Oracle:
    """The spec of a planted oracle that runs in a child."""

    def spec(name: str, where: Path = data) -> str:
        words = [sys.executable, "-m", "pytest_mcr.models.oracle", name, "--data", str(where)]
        return f"exec:{shlex.join(words)}?workers=1"

    return spec


def worker(name: str, *words: str, options: str = "start=30") -> str:
    return f"exec:{shlex.join([sys.executable, '-I', '-S', str(PARTS / name), *words])}?{options}"


def without_times(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in case.items() if key != "seconds"} for case in cases]


@pytest.mark.parametrize(
    "name", ["listener", "text-follower", "noisy?p=0.2&seed=3", "mumbler?p=0.4", "flagger?scores=no"]
)
def test_an_oracle_says_the_same_inside_and_outside(mcr: Runner, data: Path, oracle: Oracle, name: str) -> None:
    """16 bits, a file and two pipes lie between, and the clips' digests still tell it what it hears."""
    inside = mcr(f"oracle:{name}", data, *REPORT)
    told, metrics = without_times(inside.cases), inside.results["metrics"]
    outside = mcr(oracle(name), data, *REPORT)
    outside.clean()
    assert inside.code == outside.code == (8 if name.startswith("mumbler") else 0)
    assert len(told) == 96
    assert without_times(outside.cases) == told
    assert outside.results["model"]["kind"] == "exec"
    assert outside.results["model"]["name"] == f"oracle:{name.partition('?')[0]}"
    assert outside.results["metrics"] == metrics


def test_workers_have_children_of_their_own(mcr: Runner, data: Path, oracle: Oracle, mode: Sequence[str]) -> None:
    ran = mcr(oracle("text-follower"), data, *GATE, *mode)
    ran.clean()
    assert ran.code == 1, ran.text
    assert ran.metric("tir", "adversarial") == 1.0
    assert ran.results["counts"]["errors"] == 0


def test_answers_are_cached_by_the_childs_fingerprint(mcr: Runner, data: Path) -> None:
    first = mcr(worker("listens.py"), data, *REPORT)
    assert first.code == 0, first.text
    assert first.results["model"]["fingerprint"].endswith(" listens 1")
    everything = first.results["counts"]["cases"]
    cached = [mcr(worker("listens.py", *words), data, *REPORT).results["counts"]["cached"] for words in ((), ("2",))]
    assert cached == [everything, 0]


def test_a_child_that_never_opens_the_file_is_invalid(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr(worker("deaf.py"), data, *REPORT, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.results["canary"]["verdict"]) == (8, "invalid", "fail")
    assert ran.results["counts"]["cases"] == 0


def test_a_crash_at_one_case_is_its_error(mcr: Runner, data: Path) -> None:
    """The child is started once more, and only what was with it the second time is lost."""
    ran = mcr(worker("crashes.py", options="window=1&workers=2"), data, *GATE)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    errors = {case["id"]: case["error"] for case in ran.cases if case["error"]}
    assert list(errors) == ["AQA-0003-faithful"]
    for word in ["exec:", "AQA-0003-faithful", "exited with status 70", "weights went away"]:
        assert word in errors["AQA-0003-faithful"]
    assert [case["raw"] for case in ran.cases if case["error"]] == [None]
    assert "it was started once more" in ran.text.replace("\n", " ")


def test_noise_in_the_middle_stops_the_run(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr(worker("prints.py"), data, *GATE, *mode)
    ran.clean()
    assert ran.code == 8, ran.text
    assert ran.results["verdict"] == "invalid"
    words = " ".join(ran.text.split())
    assert "'Setting `pad_token_id` to 0'" in words
    assert "print to stderr" in words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("exec:no-such-program x", ["'no-such-program' is not on PATH"]),
        ("exec:sh x?worker=2", ["unknown option 'worker'", "did you mean workers?"]),
        ("exec:sh 'x", ["cannot be split into words"]),
    ],
)
def test_what_is_wrong_with_a_command_is_found_first(mcr: Runner, data: Path, spec: str, words: list[str]) -> None:
    mcr(spec, data, *GATE, "-n2").refused(*words)


def test_a_child_that_cannot_start_is_a_bad_model(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("exec:sh -c 'echo no such weights >&2; exit 3'", data, *GATE, *mode)
    ran.clean()
    assert ran.code == 4, ran.text
    assert "exited with status 3 before its first line" in " ".join(ran.text.split())
    assert "no such weights" in ran.text


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
def test_a_child_in_another_language(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    """Node reads the WAV files, hears what the clips' lengths say, and gives scores."""
    ran = mcr(f"exec:node {PARTS / 'worker.js'}", data, *REPORT, *mode)
    ran.clean()
    assert ran.code == 0, ran.text
    assert ran.results["model"]["name"] == "node-worker"
    assert ran.results["counts"]["errors"] == 0
    assert ran.results["canary"]["verdict"] == "pass"
    assert "log-probabilities" in ran.results["canary"]["detail"]
    assert all(case["answer"] in case["scores"] for case in ran.cases)
    assert len({tuple(case["scores"].values()) for case in ran.cases}) > 12


LAUNCH = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("workers", "child"), [("-n0", "slow.py"), ("-n2", "hangs.py")])
def test_ctrl_c_leaves_no_child(pytester: pytest.Pytester, data: Path, workers: str, child: str) -> None:
    """In the middle of an answer: one child works on, the others hang and ignore SIGTERM and the end of their stdin."""
    mark = f"mcr-ctrl-c-{os.getpid()}-{workers}-{child}"
    temporary = pytester.mkdir("temporary")
    environment = {**os.environ, "MCR_TEST_MARK": mark, "TMPDIR": str(temporary)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    out, log = pytester.path / "out", pytester.path / "log.txt"
    busy = pytester.path / "busy"
    words = ["--mcr-model", worker(child), "--mcr-data", str(data), "--mcr-out", str(out), *REPORT, workers]
    with log.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *words],
            stdout=stdout, stderr=subprocess.STDOUT, start_new_session=True, env={**environment, "BUSY": str(busy)},
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not busy.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=60)
    ran = Ran(pytest.RunResult(code, log.read_text().splitlines(), [], 0.0), out)
    ran.clean()
    assert ran.code == 2, ran.text
    assert left_behind(mark, seconds=10) == []
    assert [path for path in temporary.iterdir() if path.name.startswith("pytest-mcr-")] == []
