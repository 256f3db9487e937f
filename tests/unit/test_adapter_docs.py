"""The pages and workers of ``docs/adapters``: whole, short, pinned, and about the protocol that is spoken."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from pytest_mcr.models.process_command import OPTIONS, Command
from pytest_mcr.models.process_lines import read_answer, read_hello, read_id, request_line
from pytest_mcr.models.protocol import Request

DOCS = Path(__file__).parents[2] / "docs" / "adapters"
EXAMPLES = ("qwen-audio-chat", "salmonn", "audio-flamingo-2", "kimi-audio")
EXEC = (DOCS / "exec.md").read_text(encoding="utf-8")


def test_the_template_is_short_and_needs_no_package() -> None:
    source = (DOCS / "template_worker.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    imported = {
        name.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"array", "json", "os", "sys", "wave"}


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_worker_compiles(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), str(path), "exec")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_whole(name: str) -> None:
    """A page with the command, an environment with versions, a worker that keeps stdout clean; and it says: not run."""
    page = (DOCS / name / "README.md").read_text(encoding="utf-8")
    worker = (DOCS / name / "worker.py").read_text(encoding="utf-8")
    [environment] = [*(DOCS / name).glob("requirements.txt"), *(DOCS / name).glob("environment.yml")]
    assert "**Not run here**" in page
    assert "Not run here" in worker
    assert '"exec:' in page
    assert f"docs/adapters/{name}/worker.py" in page
    assert f"docs/adapters/{name}/{environment.name}" in page
    lines = [line.strip(" -") for line in environment.read_text(encoding="utf-8").splitlines()]
    packages = [line for line in lines if re.match(r"[a-zA-Z][\w.-]*\s*[=<>]", line)]
    assert packages
    assert all("=" in line or line == "numpy<2" for line in packages)
    first_heavy = min(worker.index(word) for word in ("import torch", "import transformers") if word in worker)
    assert worker.index("claim_stdout()") < first_heavy, "a library could print before stdout is claimed"
    assert "fingerprint = f" in worker
    assert f"[{name}]({name}/README.md)" in (DOCS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8")):
        assert link.startswith("http") or (page.parent / link).exists(), link


def test_the_page_shows_lines_that_are_spoken() -> None:
    blocks = re.findall(r"```json\n(.*?)```", EXEC, flags=re.DOTALL)
    hello, request, *answers = [json.loads(line) for block in blocks for line in block.splitlines()]
    assert read_hello(json.dumps(hello).encode()).sample_rate == 16000
    sent = json.loads(request_line(Request("a", None, "p", (), 3, want_scores=False), None))
    assert list(request) == list(sent)
    assert all(f"| `{key}` |" in EXEC for key in sent)
    _, answer = read_id(json.dumps(answers[0]).encode())
    assert set(read_answer(answer, request["candidates"]).scores or {}) == set(request["candidates"])
    assert answers[1]["error"]


def test_the_page_lists_every_option_with_its_default() -> None:
    defaults = Command("", (), DOCS)
    for option in OPTIONS:
        assert re.search(rf"\| `{option}=[NS]` \| {getattr(defaults, option):g} \|", EXEC), option
        assert f"(default {getattr(defaults, option):g})" in OPTIONS[option].help
