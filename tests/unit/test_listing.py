"""The list of models is read off the tables that check them, so it cannot differ from what is accepted."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pytest_mcr.errors import ModelError
from pytest_mcr.models import aliases, hf_files, listing, oracle, oracle_kinds
from pytest_mcr.models.choices import Choice, check_options
from pytest_mcr.models.listing import FORMS
from pytest_mcr.models.oracle_kinds import PLANTED
from pytest_mcr.models.spec import EXAMPLES, SCHEMES, parse_spec

HERE = Path("/invocation")


def lines(width: int = 80) -> list[str]:
    return listing.listing(width)


def test_all_schemes_aliases_and_options_are_there() -> None:
    text = "\n".join(lines())
    assert {form.form.partition(":")[0] for form in FORMS} >= set(SCHEMES)
    for alias, repository in aliases.PUBLISHED.items():
        assert re.search(rf"^  {re.escape(alias)} +hf:{re.escape(repository)}$", text, re.MULTILINE)
    for alias in aliases.LAB:
        assert re.search(rf"^  {alias} +(a model that ships|not in this installation)", text, re.MULTILINE)
    for form in FORMS:
        assert f"e.g. {form.example}" in text
        for name, option in form.options.items():
            assert f"{name}={option.shown}" in text
    for name in PLANTED:
        assert name in text


def test_every_example_is_a_spec() -> None:
    for form in FORMS:
        spec = parse_spec(form.example, invocation_dir=HERE)
        assert spec.text == form.example
        if form.options:
            check_options(spec, form.options)
    for scheme, example in EXAMPLES.items():
        assert parse_spec(example, invocation_dir=HERE).scheme == scheme


def test_every_planted_model_takes_listed_options_only() -> None:
    known = {name for plant in PLANTED.values() for name in plant.options} | {"seed", "confidence", "scores"}
    assert known == set(oracle_kinds.OPTIONS)
    for name, option in oracle_kinds.OPTIONS.items():
        for value in option.values:
            plant = next((plant for plant, it in PLANTED.items() if name in it.options), "listener")
            oracle.check(plant, {name: value})


@pytest.mark.parametrize("width", [20, 80, 120])
def test_it_fits(width: int) -> None:
    unbreakable = ("=", "e.g. ", "hf:")
    for line in lines(width):
        assert len(line) <= max(width, 60) or any(mark in line for mark in unbreakable), line
        assert line == line.rstrip()


def test_what_is_installed_has_its_version() -> None:
    rows = dict(listing.installed())
    assert f"torch {metadata.version('torch')}" in rows["hf"]
    assert f"pytest {metadata.version('pytest')}" in rows["always"]
    assert not {"dev"} & set(rows)


def test_what_is_missing_has_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("httpx", "torch"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    rows = dict(listing.installed())
    assert rows["endpoint"] == "not installed: httpx (pip install 'pytest-mcr[endpoint]')"
    assert rows["hf"].endswith("; not installed: torch (pip install 'pytest-mcr[hf]')")
    assert "transformers 5" in rows["hf"]


def test_not_installed_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", nothing)
    assert "is not installed" in dict(listing.installed())["pytest-mcr"]


def test_nothing_heavy_is_imported_to_list() -> None:
    code = (
        "import sys, pytest_mcr.models.listing as it\n"
        "it.listing(80)\n"
        "print([m for m in ('torch', 'transformers', 'numpy', 'huggingface_hub', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hf:a/b?atn=eager", ["unknown option 'atn' (did you mean attn?)", "expected adapter, attn, dtype"]),
        ("hf:a/b?attn=eagr", ["attn='eagr' (did you mean eager?); expected one of eager, sdpa, flash_attention_2"]),
        ("hf:a/b?order=text", ["order='text'", "expected one of audio-first, text-first"]),
        ("hf:a/b?system=", ["nothing after system=; expected system=TEXT"]),
        ("hf:a/b?system=%20%0A", ["nothing after system="]),
    ],
)
def test_a_bad_option_names_what_is_allowed(text: str, words: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        check_options(parse_spec(text, invocation_dir=HERE), hf_files.OPTIONS)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_stands_for_a_value() -> None:
    assert Choice("help", ("a", "b")).shown == "a|b"
    assert Choice("help", metavar="N").shown == "N"
