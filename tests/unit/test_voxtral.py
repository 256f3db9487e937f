"""Voxtral with its own processor, in a process of its own: the mistral-common that it needs wants numpy below 2.4."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = "mistral-common[audio]==1.13.1"
TESTS = 10
"""Fewer in test_families.py for a family would mean that the wrong ones were chosen."""


@pytest.mark.slow
def test_voxtral_is_a_family_like_the_others(tmp_path: Path) -> None:
    beside = tmp_path / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
    subprocess.run([*install, str(beside), NEEDED], check=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(beside)}
    command = [sys.executable, "-m", "pytest", "tests/unit/test_families.py", "-k", "voxtral", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted is not None
    assert int(counted[1]) >= TESTS
    assert "skipped" not in done.stdout
