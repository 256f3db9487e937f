"""Distributed runs: the same numbers, chunks that stay together, dead workers, canaries and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.glue.distribution import Distribution, gpus
from pytest_mcr.run.chunks import plan_chunks
from tests.plugin.conftest import Ran, Runner

REPORT = ("--mcr-profile", "report")
PLACES = """
    def pytest_runtest_logreport(report):
        if report.when == "call" and hasattr(report, "node"):
            with open("places.txt", "a") as places:
                places.write(f"{report.node.gateway.id} {report.nodeid}\\n")
"""


def test_a_chunk_stays_on_one_worker(pytester: pytest.Pytester, mcr: Runner, data40: Path) -> None:
    pytester.makeconftest(PLACES)
    assert mcr("oracle:listener", data40, *REPORT, "-n2").code == 0
    worker_of = {}
    for line in (pytester.path / "places.txt").read_text().splitlines():
        worker, _, node_id = line.partition(" ")
        worker_of[node_id] = worker
    in_order = [
        f"mcr/test_mcr_bench.py::test_mcr_bench[{task}-{number:04d}-{condition}]"
        for task in ("AQA", "SER")
        for number in range(40)
        for condition in ("neutral", "faithful", "adversarial", "irrelevant")
    ]
    assert sorted(worker_of) == sorted(in_order)
    chunks = plan_chunks(in_order, ("AQA", "SER"))
    assert len(chunks) == 10
    assert all(len({worker_of[node_id] for node_id in chunk}) == 1 for chunk in chunks)
    assert set(worker_of.values()) == {"gw0", "gw1"}


@pytest.mark.parametrize("dist", ["each", "loadscope", "worksteal"])
def test_other_modes_of_distribution(mcr: Runner, data: Path, dist: str) -> None:
    ran = mcr("oracle:text-follower", data, *REPORT, "-n2", "--dist", dist)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert ran.results["counts"]["cases"] == len(ran.cases) == 96
    assert ran.metric("accuracy", "neutral") == 1.0
    assert ran.metric("tir", "adversarial") == 1.0


def lost(ran: Ran) -> set[str]:
    """Samples of which nothing was kept."""
    kept = {case["sample"] for case in ran.cases}
    return {f"{task}-{number:04d}" for task in ("AQA", "SER") for number in range(40)} - kept


@pytest.mark.parametrize("restart", [(), ("--max-worker-restart=1",)], ids=["default", "one"])
def test_a_dead_worker_takes_only_its_chunk(mcr: Runner, data40: Path, restart: Sequence[str]) -> None:
    ran = mcr("oracle:crasher?how=exit&case=AQA-0011", data40, *REPORT, "-n2", *restart)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert lost(ran) == {f"AQA-{number:04d}" for number in range(8, 16)}
    died, unreported = ran.results["reasons"]
    assert died.startswith("a worker died (gw")
    assert unreported == "32 selected cases were never reported, e.g. AQA-0008-neutral"
    assert all(case["verdict"] == "audio" for case in ran.cases)


def test_a_dead_worker_without_a_replacement(mcr: Runner, data40: Path) -> None:
    ran = mcr("oracle:crasher?how=exit&case=AQA-0011", data40, *REPORT, "-n2", "--max-worker-restart=0")
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["reasons"][0].startswith("a worker died (gw")
    assert len(ran.cases) > 0


def test_all_workers_die(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:crasher?how=exit", data, *REPORT, "-n2", "--max-worker-restart=0")
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.cases == []


def test_a_failed_canary_stops_all_workers_at_once(mcr: Runner, data40: Path) -> None:
    ran = mcr("oracle:constant", data40, *REPORT, "-n2")
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["canary"]["verdict"] == "fail"
    assert ran.cases == []
    assert ran.result.parseoutcomes()["failed"] <= 2


@pytest.mark.usefixtures("factories")
def test_auto_is_one_worker_for_a_local_model(
    mcr: Runner, data: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ran = mcr("models:CountsLoads", data, *REPORT, "-nauto")
    assert (ran.code, ran.results["run"]["workers"]) == (0, 1)
    assert (pytester.path / "loads.txt").read_text().count("load") == 1


def test_auto_is_left_to_xdist_for_an_oracle(
    pytester: pytest.Pytester, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    words = ("--mcr-model", "oracle:listener", "--mcr-data", str(data), "-nauto", "--collect-only")
    assert pytester.parseconfig(*words).hook.pytest_xdist_auto_num_workers(config=pytester.parseconfig(*words)) == 3


@pytest.mark.parametrize(
    ("visible", "found"),
    [("", []), ("0", ["cuda:0"]), ("3,5", ["cuda:0", "cuda:1"]), ("0,-1,2", ["cuda:0"]), ("-1", []),
     ("GPU-8932f937", ["cuda:0"])],
)  # fmt: skip
def test_gpus_as_torch_names_them(monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == found


class Node:
    """What xdist hands to its hooks, as far as the device hand-out looks at it."""

    def __init__(self, name: str, config: pytest.Config) -> None:
        self.gateway: Any = type("Gateway", (), {"id": name})
        self.config = config
        self.workerinput: dict[str, Any] = {}

    @property
    def device(self) -> str | None:
        given: str | None = self.workerinput["mcr"]["device"]
        return given


def test_devices_are_handed_out_and_taken_back(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    config = pytester.parseconfig("-n3")
    hooks = Distribution(config, tasks=("AQA",), local_model=True)
    nodes = [Node(f"gw{number}", config) for number in range(3)]
    for node in nodes:
        hooks.pytest_configure_node(node)
    assert [node.device for node in nodes] == ["cuda:0", "cuda:1", "cpu"]
    assert nodes[0].workerinput["mcr"]["threads"] == max(1, (os.cpu_count() or 1) // 3)
    for gone in (nodes[0], nodes[2]):
        hooks.pytest_testnodedown(gone)
    heirs = [Node("gw3", config), Node("gw4", config)]
    for node in heirs:
        hooks.pytest_configure_node(node)
    assert [node.device for node in heirs] == ["cuda:0", "cpu"]


def test_no_device_for_a_model_that_is_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    config = pytester.parseconfig("-n1")
    node = Node("gw0", config)
    Distribution(config, tasks=("AQA",), local_model=False).pytest_configure_node(node)
    assert node.device is None


LAUNCH = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process group")
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_ctrl_c_keeps_what_is_done(
    pytester: pytest.Pytester, data40: Path, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    out = pytester.path / "out"
    words = ["--mcr-model", "oracle:slow?seconds=0.05", "--mcr-data", str(data40), "--mcr-out", str(out), workers]
    log = pytester.path / "log.txt"
    with log.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *words], stdout=stdout, stderr=subprocess.STDOUT, start_new_session=True
        )
        while process.poll() is None and not any(part.read_bytes() for part in out.glob(".cases.*.part")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=60)
    ran = Ran(pytest.RunResult(code, log.read_text().splitlines(), [], 0.0), out)
    ran.clean()
    assert ran.code == 2, ran.text
    assert ran.results["verdict"] == "partial"
    assert ran.results["reasons"] == ["the run ended early: interrupted (Ctrl-C)"]
    assert ran.results["gates"] == []
    assert "mrs >= 0.75@95" in ran.results["gates_not_judged"]
    assert 0 < ran.results["counts"]["cases"] == len(ran.cases) < 320
    assert all(case["verdict"] == "audio" for case in ran.cases)


def test_user_tests_beside_the_suite_share_no_chunk(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    """A test without a case between cases does not disturb chunks, whichever worker it lands on."""
    pytester.makepyfile("def test_mine(): pass\n")
    pytester.makeconftest(PLACES)
    ran = mcr("oracle:listener", data, *REPORT, "-n2", "mcr/test_mcr_bench.py", ".")
    assert ran.code == 0, ran.text
    places = defaultdict(set)
    for line in (pytester.path / "places.txt").read_text().splitlines():
        worker, _, node_id = line.partition(" ")
        places[node_id].add(worker)
    assert len(places) == 97
