"""Imports go only downward, heavy libraries stay where they belong, and no room grows too large."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_mcr"
SUITES = PACKAGE.parent / "suites"
MODULES = sorted(PACKAGE.rglob("*.py"))
LEVELS = {
    "errors": 0, "command_line": 0, "core": 0,
    "strategies": 1, "data": 1, "models": 1,
    "run": 2, "report": 2, "probes": 2, "train": 2,
    "commands": 3, "__main__": 4,
    "glue": 3,
    "plugin": 4,
    "__init__": 5,
}  # fmt: skip
HOMES = {
    "torch": ("models/hf", "models/prefix", "probes/", "train/"),
    "transformers": ("models/hf", "models/prefix", "probes/", "train/"),
    "httpx": ("models/endpoint_http",),
    "rich": ("report/terminal",),
    "jinja2": ("report/html", "models/hf"),
    "markupsafe": ("report/html",),
    "sklearn": ("probes/",),
    "pytest": ("glue/", "plugin"),
    "_pytest": ("glue/", "plugin"),
    "xdist": ("glue/", "plugin"),
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def imports_of(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_only_downward(path: Path) -> None:
    own = LEVELS[name_of(path).split("/")[0]]
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "pytest_mcr" and len(parts) > 1 and parts[1] in LEVELS:
            assert LEVELS[parts[1]] <= own, f"{name_of(path)} imports {name}, which lies above it"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_libraries_stay_at_home(path: Path) -> None:
    for name in imports_of(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or name_of(path).startswith(homes), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_options_reads_the_config(path: Path) -> None:
    readers = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("getoption", "getini", "getvalue")
    }
    assert not readers or name_of(path) == "glue/options"


@pytest.mark.parametrize("path", [*MODULES, *SUITES.glob("*.py")], ids=str)
def test_rooms_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in ("utils", "helpers", "misc")
