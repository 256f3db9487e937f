from pathlib import Path

import pytest

from pytest_mcr.data import shipped
from pytest_mcr.errors import DataError


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_checkout_is_found() -> None:
    assert shipped.suite("test_mcr_bench.py").is_file()


def test_both_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "root" / "pytest_mcr"
    package.mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    beside = make(tmp_path / "root" / "suites" / "a.py")
    with pytest.raises(DataError, match=r"suites/a\.py is missing.*pip install"):
        shipped.suite("a.py")  # a folder of that name in site-packages is somebody else's
    make(tmp_path / "root" / "pyproject.toml")
    assert shipped.suite("a.py") == beside
    inside = make(package / "suites" / "a.py")
    assert shipped.suite("a.py") == inside
    fixture = make(package / "fixtures" / "lab-model" / "config.json").parent
    assert shipped.fixture("lab-model") == fixture
