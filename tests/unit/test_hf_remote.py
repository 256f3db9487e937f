# mypy: allow-untyped-calls
"""Code of a checkpoint's own: named and refused without leave, run and recorded with it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers.dynamic_module_utils

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf_remote import code_files, require_trust
from pytest_mcr.models.resolve import check
from pytest_mcr.models.spec import parse_spec
from tests.unit import tiny_remote
from tests.unit.tiny_requests import TOLERANCE, ask, clip, gap, loaded, text_of


@pytest.fixture(autouse=True)
def own_module_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """transformers copies such code into a cache under the home folder and imports it from there."""
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("transformers_modules"):
            del sys.modules[name]


def test_without_leave_it_is_named_and_not_run(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = tiny_remote.build(tiny_model_dir, tmp_path / "ear", tmp_path / "ran")
    spec = parse_spec("./ear", invocation_dir=tmp_path)
    for attempt in (lambda: check(spec, tmp_path), lambda: loaded(folder)):
        with pytest.raises(ModelError) as caught:
            attempt()
        message = str(caught.value)
        assert f"{folder}: family tiny_ear is not known to transformers {transformers.__version__}" in message
        assert "Python code of its own (configuration_ear.py, modeling_ear.py)" in message
        assert "--mcr-trust-remote-code would run that code here with all your rights" in message
        assert "\n" not in message
    assert not (tmp_path / "ran").exists()


def test_with_leave_it_runs_and_is_recorded(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = tiny_remote.build(tiny_model_dir, tmp_path / "ear", tmp_path / "ran")
    model, known = loaded(folder, trust_remote_code=True), loaded(tiny_model_dir, trust_remote_code=True)
    assert (tmp_path / "ran").read_text() == "this code ran"
    assert model.traits["family"] == "tiny_ear"
    assert model.traits["remote_code"] == ["configuration_ear.py", "modeling_ear.py"]
    assert known.traits["remote_code"] is None
    request = ask(clip(1))
    [answer], [same] = model.respond([request]), known.respond([request])
    assert text_of(answer) == text_of(same)
    assert gap(answer, same) < TOLERANCE


def test_the_fingerprint_knows_the_code(tiny_model_dir: Path, tmp_path: Path) -> None:
    one = tiny_remote.build(tiny_model_dir, tmp_path / "one")
    two = tiny_remote.build(tiny_model_dir, tmp_path / "two")
    other = tiny_remote.build(tiny_model_dir, tmp_path / "other")
    with (other / "configuration_ear.py").open("a") as code:
        code.write("\n# another line\n")
    prints = [loaded(folder, trust_remote_code=True).fingerprint() for folder in (one, two, other)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("error", ["import no_such_library_for_test", "raise AttributeError('old code')"])
def test_code_that_fails_is_one_line(tiny_model_dir: Path, tmp_path: Path, error: str) -> None:
    folder = tiny_remote.build(tiny_model_dir, tmp_path / "ear")
    (folder / "modeling_ear.py").write_text(error)
    with pytest.raises(ModelError, match=r"cannot load it: .*(no_such_library_for_test|old code)") as caught:
        loaded(folder, trust_remote_code=True)
    assert "\n" not in str(caught.value)


def test_a_processor_of_its_own(tiny_model_dir: Path, tmp_path: Path) -> None:
    """The family is known, a part of it is not: transformers finds out when it loads."""
    folder = tiny_remote.build(tiny_model_dir, tmp_path / "ear")
    (folder / "config.json").write_bytes((tiny_model_dir / "config.json").read_bytes())
    config = json.loads((folder / "processor_config.json").read_text())
    config |= {"processor_class": "EarProcessor", "auto_map": {"AutoProcessor": "processing_ear.EarProcessor"}}
    (folder / "processor_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as caught:
        loaded(folder)
    assert "(processing_ear.py); --mcr-trust-remote-code would run" in str(caught.value)


def test_which_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoConfig": "owner/code--conf.C", "x": 3}}))
    tokenizer = {"auto_map": {"AutoTokenizer": ["tok.Slow", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (tmp_path / "processor_config.json").write_text("torn {")
    (tmp_path / "preprocessor_config.json").write_text("[]")
    assert code_files(tmp_path) == ["owner/code: conf.py", "tok.py"]
    require_trust(tmp_path, "qwen2_audio")  # transformers' own class is used
    with pytest.raises(ModelError, match=r"owner/code: conf\.py, tok\.py"):
        require_trust(tmp_path, "unheard_of")
