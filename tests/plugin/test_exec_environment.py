"""``exec:`` across virtual environments: the lab model under another transformers gives the verdicts it gives here."""

from __future__ import annotations

import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import transformers

from pytest_mcr.data.shipped import fixture
from tests.plugin.conftest import Runner

OTHER = "5.20.0"
WORKER = Path(__file__).parent / "exec_workers" / "lab.py"


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a transformers of its own; torch and the rest come from ours."""
    folder = tmp_path_factory.mktemp("other") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    [site] = (folder / "lib").glob("python*/site-packages")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", str(site), f"transformers=={OTHER}"], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        pytest.skip(f"transformers {OTHER} cannot be installed: {done.stderr.strip()[-200:]}")
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")  # after its own
    return python


@pytest.mark.slow
def test_the_lab_model_in_another_environment(mcr: Runner, other_python: Path) -> None:
    assert transformers.__version__ != OTHER
    spec = f"exec:{shlex.join([str(other_python), str(WORKER), str(fixture('lab-model'))])}?start=120&workers=2"
    there = mcr(spec, None, "--mcr-profile", "report")
    there.clean()
    assert there.code == 0, there.text
    assert there.results["model"]["fingerprint"].endswith(f"transformers {OTHER}")
    rates = _rates(there.results)
    verdicts = {case["id"]: (case["verdict"], case["answer"]) for case in there.cases}
    here = mcr("lab", None, "--mcr-profile", "report", "--mcr-cache", "off")
    assert here.code == 0
    assert len(verdicts) == 720
    assert {case["id"]: (case["verdict"], case["answer"]) for case in here.cases} == verdicts
    assert rates == _rates(here.results)


def _rates(results: dict[str, list[dict[str, object]]]) -> dict[tuple[object, ...], object]:
    """Metrics that need no scores; a plain chat loop gives none."""
    names = ("accuracy", "tir", "mrs", "unparsed")
    rows = [row for row in results["metrics"] if row["metric"] in names]
    return {
        tuple(row.get(key) for key in ("task", "condition", "metric", "gold", "text_label")): row["value"]
        for row in rows
    }
