"""``openai:`` through the plugin: real HTTP, real processes."""

from __future__ import annotations

import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# pytester forgets what an inner run imports first, and httpx's errors must stay the classes that it knows.
import anyio._backends._asyncio  # noqa: F401
import httpcore  # noqa: F401
import httpx  # noqa: F401
import pytest
import soundfile

from pytest_mcr.data.shipped import fixture
from pytest_mcr.models import endpoint_retry
from tests.plugin.conftest import Ran, Runner
from tests.support import folders
from tests.support.endpoints import FAILURE_WORDS, MODEL, PASSING, Asked, Server, answer, heard
from tests.support.serving import transformers_serve

SECRET = "sk-b7d0e1f2a3c4-not-for-any-eyes"
REPORT = ("--mcr-profile", "report")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_MCR_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint_retry, "FIRST", 0.05)


class Listener:
    """Knows the clips of a dataset, and says something of its own about any other."""

    def __init__(self, data: Path) -> None:
        self.gold = {}
        for manifest in data.glob("*/*.json"):
            for row in json.loads(manifest.read_text(encoding="utf-8")):
                samples, _ = soundfile.read(manifest.parent / "audio" / row["audio"], dtype="int16")
                self.gold[hashlib.sha256(samples.tobytes()).hexdigest()] = row["gt"]

    def __call__(self, asked: Asked) -> str:
        assert asked.wav is not None
        samples, _ = soundfile.read(io.BytesIO(asked.wav), dtype="int16")
        known = self.gold.get(hashlib.sha256(samples.tobytes()).hexdigest())
        return known if known is not None else answer(asked)


def spec(*servers: Server, **options: object) -> str:
    first, *more = [server.url for server in servers]
    tail = "&".join(f"{name}={value}" for name, value in options.items())
    return f"openai:{','.join([f'{first}#{MODEL}', *more])}" + (f"?{tail}" if tail else "")


def test_a_listening_endpoint_passes(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    with Server(answer=Listener(data)) as server:
        ran = mcr(spec(server), data, "--mcr-gate", "accuracy[adversarial] >= 0.5", *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert ran.metric("accuracy", "adversarial") == 1.0
    assert ran.results["model"]["kind"] == "endpoint"
    assert ran.results["model"]["name"] == f"openai:{MODEL}"
    assert {case["scores"] for case in ran.cases} == {None}
    assert ran.results["canary"]["verdict"] == "pass"


def test_an_endpoint_that_ignores_the_audio_is_invalid(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    with Server(answer=lambda asked: heard(None, asked.prompt)) as server:
        ran = mcr(spec(server), data, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["canary"]["verdict"] == "fail"
    assert "same answer" in ran.results["canary"]["detail"]
    assert ran.cases == []


def test_a_thousand_cases_through_ten_per_cent_faults(mcr: Runner, tmp_path: Path) -> None:
    data = folders.dataset(tmp_path / "data", 125)
    draw = random.Random(11)
    kinds = [fault for fault in PASSING if fault != "hang"] * 4 + ["hang"]

    def fault(asked: Asked) -> str | None:
        return draw.choice(kinds) if draw.random() < 0.1 else None

    with Server(answer=Listener(data), fault=fault) as server:
        ran = mcr(spec(server, timeout=2, concurrency=32, retries=8), data, *REPORT)
        assert len(server.asked) > 1100
    ran.clean()
    assert ran.code == 0
    assert ran.results["counts"] | {"unparsed": 0, "flagged": 0, "cached": 0} == {
        "cases": 1000, "errors": 0, "unparsed": 0, "flagged": 0, "cached": 0,
    }  # fmt: skip
    assert len(ran.cases) == 1000
    assert {case["verdict"] for case in ran.cases} == {"audio"}
    assert FAILURE_WORDS not in (ran.out / "cases.jsonl").read_text(encoding="utf-8")


def test_a_server_that_dies_makes_errors_and_the_run_invalid(mcr: Runner, data: Path) -> None:
    listener, server = Listener(data), Server()

    def dies(asked: Asked) -> str:
        if len(server.asked) == 60:
            server._stopping.set()
            server._http.server_close()
        return listener(asked)

    server.answer = dies
    server.fault = lambda asked: "drop" if len(server.asked) > 60 else None
    ran = mcr(spec(server, concurrency=4, budget=1, retries=2), data)
    server._http.shutdown()
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    errors = [case for case in ran.cases if case["error"]]
    assert len(ran.cases) == 96
    assert 40 < len(errors) < 96
    assert all(server.url in case["error"] and case["raw"] is None for case in errors)
    assert {case["verdict"] for case in ran.cases if not case["error"]} == {"audio"}


def files_with(root: Path, needle: str) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["PYTEST_MCR_API_KEY", "OPENAI_API_KEY"])
def test_the_key_is_sent_and_seen_nowhere(
    mcr: Runner, data: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A server that tells the key in its errors and even in its answers."""
    monkeypatch.setenv(name, SECRET)
    listener = Listener(data)

    def tells(asked: Asked) -> str:
        return f"yes {asked.headers['Authorization']}" if "museum" in asked.prompt else listener(asked)

    def fault(asked: Asked) -> str | None:
        return "400" if "Text: " in asked.prompt and asked.number % 5 == 0 else None

    with Server(answer=tells, fault=fault, words=f"bad {SECRET} key") as server:
        ran = mcr(spec(server), data, *REPORT, "-rA", "-l", "--log-level=DEBUG", "--junitxml=junit.xml", "-vv")
        assert {asked.headers.get("Authorization") for asked in server.asked} == {f"Bearer {SECRET}"}
    assert ran.results["counts"]["errors"] > 24
    told = [case["error"] for case in ran.cases if case["error"]]
    assert any("[API key]" in error for error in told)
    assert any("the answer holds the API key" in error for error in told)
    assert (pytester.path / "junit.xml").is_file()
    assert SECRET not in ran.text
    assert files_with(pytester.path, SECRET) == []


@pytest.mark.parametrize("text", ["http://me:sk-hidden@h/v1#m", "http://h/v1?api_key=sk-hidden#m"])
def test_a_key_in_the_spec_is_refused(mcr: Runner, data: Path, pytester: pytest.Pytester, text: str) -> None:
    ran = mcr(f"openai:{text}", data)
    ran.refused("PYTEST_MCR_API_KEY")
    assert "sk-hidden" not in ran.text
    assert files_with(pytester.path, "sk-hidden") == []


def test_a_server_that_is_not_there_and_a_key_that_is_wrong(mcr: Runner, data: Path, tmp_path: Path) -> None:
    gone = Server()
    gone.die()
    mcr(spec(gone), data).refused(gone.url, "cannot connect", "start the server")
    with Server(fault=lambda asked: "401") as server:
        ran = mcr(spec(server), data, "--mcr-gate", "accuracy[neutral] >= 0")
    ran.clean()
    assert ran.code == 4
    assert "set the environment variable PYTEST_MCR_API_KEY" in ran.text


def test_answers_are_kept_only_for_weights_that_have_a_name(mcr: Runner, data: Path) -> None:
    with Server(answer=Listener(data)) as server:

        def fresh(**options: object) -> int:
            before = len(server.asked)
            ran: Ran = mcr(spec(server, **options), data, *REPORT)
            assert ran.code == 0
            return len(server.asked) - before

        first = fresh()
        assert fresh() == first, "a server may serve other weights today: nothing says that it does not"
        assert fresh(revision="r1") == first
        assert fresh(revision="r1") < 10
        assert "name them with ?revision=TEXT" not in " ".join(
            mcr(spec(server, revision="r1"), data, *REPORT).text.split()
        )
        assert "name them with ?revision=TEXT" in " ".join(mcr(spec(server), data, *REPORT).text.split())
        assert fresh(revision="r2") == first


def test_auto_is_one_process(mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    with Server(answer=Listener(data)) as server:
        ran = mcr(spec(server), data, *REPORT, "-nauto")
    assert (ran.code, ran.results["run"]["workers"]) == (0, 1)


def test_ctrl_c_ends_the_run_and_every_connection(data: Path, pytester: pytest.Pytester) -> None:
    listener = Listener(data)
    with Server(answer=listener, fault=lambda asked: "hang" if len(server.asked) > 45 else None) as server:
        command = ["-m", "pytest", "--mcr-model", spec(server, concurrency=4), "--mcr-data", str(data), *REPORT]
        process = subprocess.Popen([sys.executable, *command, "--mcr-out", "out"], cwd=pytester.path,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while len(server.asked) < 49 and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            assert server.open_connections == 4
            process.send_signal(signal.SIGINT)
            text = process.communicate(timeout=15)[0].decode()
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 2, text
        assert "KeyboardInterrupt" in text
        assert json.loads((pytester.path / "out" / "results.json").read_text())["verdict"] == "partial"
        assert "goes on from here" not in text, "nothing was cached"


# --- a real server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(fixture("lab-model"), tmp_path_factory.mktemp("serve") / "home") as url:
        yield url


def run(pytester: pytest.Pytester, model: str, *words: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    out = pytester.path / hashlib.sha256(model.encode()).hexdigest()[:8]
    ran = pytester.runpytest_subprocess(
        "--mcr-model", model, "--mcr-cache", "off", "--mcr-out", str(out), *REPORT, *words, timeout=300
    )
    assert ran.ret == 0, ran.outlines
    cases = [json.loads(line) for line in (out / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    return json.loads((out / "results.json").read_text(encoding="utf-8")), {case["id"]: case for case in cases}


def same_as_local(pytester: pytest.Pytester, url: str, *words: str) -> int:
    results, remote = run(pytester, f"openai:{url}#{fixture('lab-model')}", *words)
    _, local = run(pytester, "lab", *words)
    assert list(remote) == list(local)
    said = {name: (case["raw"], case["verdict"]) for name, case in local.items()}
    assert {name: (case["raw"], case["verdict"]) for name, case in remote.items()} == said
    assert {case["error"] for case in remote.values()} == {None}
    assert {case["scores"] for case in remote.values()} == {None}
    assert {case["confidence"] for case in remote.values()} == {None}
    assert results["canary"]["verdict"] == "pass"
    assert results["model"]["traits"]["scores"].startswith("none: ")
    return len(remote)


def test_transformers_serve_answers_as_the_local_path(pytester: pytest.Pytester, served: str) -> None:
    assert same_as_local(pytester, served, "--mcr-limit", "4") == 48


@pytest.mark.slow
def test_transformers_serve_answers_as_the_local_path_on_the_whole_benchmark(
    pytester: pytest.Pytester, served: str
) -> None:
    assert same_as_local(pytester, served) == 720
