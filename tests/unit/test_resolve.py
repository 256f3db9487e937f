import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from pytest_mcr.data import shipped
from pytest_mcr.errors import ModelError
from pytest_mcr.models import hf_files
from pytest_mcr.models.protocol import Model, Request
from pytest_mcr.models.resolve import check, kind, load
from pytest_mcr.models.spec import parse_spec

MODEL = """
class Mine:
    name = "mine"
    def __init__(self, options):
        self.options = dict(options)
    def fingerprint(self):
        return "1"
    def respond(self, requests):
        return []

class Half:
    name = "half"
    def __init__(self, options):
        pass
    def respond(self, requests):
        return []

def make(options):
    return Mine(options)

def refuse(options):
    raise OSError("no licence\\nsecond line")

number = 3
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own_models_for_test.py").write_text(MODEL)
    (tmp_path / "broken_for_test.py").write_text("import a_library_that_is_not_there\n")
    (tmp_path / "answers.jsonl").write_text('{"id": "a", "text": "yes"}\n')
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in ("own_models_for_test", "broken_for_test"):
        sys.modules.pop(name, None)


def checkpoint(folder: Path, config: object = None, *files: str) -> Path:
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name in files:
        (folder / name).write_bytes(b"x")
    return folder


def refusal(text: str, here: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check(parse_spec(text, invocation_dir=here), here)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:a/b", "hub"), ("qwen2-audio", "hub"), ("./m", "folder"), ("lab", "lab"), ("lab-sft", "lab"),
        ("oracle:listener", "oracle"), ("replay:a", "replay"), ("exec:a", "exec"), ("openai:http://h#m", "endpoint"),
        ("a:b", "custom"),
    ],
)  # fmt: skip
def test_kind(text: str, expected: str) -> None:
    assert kind(parse_spec(text, invocation_dir=Path("/x"))) == expected


@pytest.mark.parametrize("attribute", ["Mine", "make"])
def test_a_module_of_the_invocation_folder(here: Path, attribute: str) -> None:
    spec = parse_spec(f"own_models_for_test:{attribute}?size=3", invocation_dir=here)
    check(spec, here)
    model = load(spec, invocation_dir=here)
    assert isinstance(model, Model)
    assert vars(model)["options"] == {"size": "3"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no_such_module_for_test:make", ["cannot import 'no_such_module_for_test'", "ModuleNotFoundError"]),
        ("broken_for_test:make", ["cannot import 'broken_for_test'", "a_library_that_is_not_there"]),
        ("own_models_for_test:makee", ["'makee' does not exist", "did you mean make?"]),
        ("own_models_for_test:number", ["'number' is not callable"]),
        ("exec:no-such-program serve.py", ["'no-such-program' is not on PATH", "exec:./env/bin/python"]),
        ("openai:http://h/v1", ["no #MODEL after the URL"]),
        ("oracle:listner", ["did you mean listener?"]),
        ("oracle:noisy?q=1", ["unknown option 'q'"]),
        ("replay:none.jsonl", ["none.jsonl", "No such file"]),
        ("replay:answers.jsonl?x=1", ["unknown option 'x'", "it takes none"]),
        ("./nowhere", ["no such folder", "nowhere"]),
        ("./nowhere?dtyp=float32", ["unknown option 'dtyp'", "did you mean dtype?"]),
        ("./nowhere?dtype=int8", ["dtype='int8'", "bfloat16"]),
        ("hf:not a name", ["not a repository name", "hf:OWNER/NAME"]),
    ],
)
def test_what_is_wrong_is_found_before_any_work(here: Path, text: str, words: list[str]) -> None:
    message = refusal(text, here)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("attribute", "words"),
    [("Half", "a Half without fingerprint"), ("refuse", "the factory raised OSError: no licence")],
)
def test_a_bad_factory(here: Path, attribute: str, words: str) -> None:
    spec = parse_spec(f"own_models_for_test:{attribute}", invocation_dir=here)
    check(spec, here)
    with pytest.raises(ModelError, match=words) as caught:
        load(spec, invocation_dir=here)
    assert "\n" not in str(caught.value)


def test_good_specs_pass_and_load(here: Path) -> None:
    for text, name in (("oracle:noisy?p=0.1", "oracle:noisy"), ("replay:answers.jsonl", "replay:answers.jsonl")):
        spec = parse_spec(text, invocation_dir=here)
        check(spec, here)
        model = load(spec, invocation_dir=here)
        assert isinstance(model, Model)
        assert model.name == name
        assert len(model.respond([Request("a", None, "p", ("yes", "no"), 3, want_scores=False)])) == 1


def test_checkpoint_folders(here: Path) -> None:
    good = {"model_type": "qwen2_audio"}
    cases = {
        "file": (None, (), "has no config.json"),
        "torn": ('{"model_type": ', (), "cannot be read as JSON"),
        "typeless": ({}, (), "has no model_type"),
        "listed": ([1], (), "has no model_type"),
        "bare": (good, (), "has no weights"),
        "pickled": (good, ("pytorch_model.bin",), r"only pickled weights (pytorch_model.bin)"),
        "kyutai": (
            {"model_type": "kyutai_speech_to_text"},
            ("model.safetensors",),
            "kyutai_speech_to_text is not served",
        ),
    }
    for name, (config, files, words) in cases.items():
        checkpoint(here / name, config, *files)
        assert words in refusal(f"./{name}", here)
    checkpoint(here / "good", good, "model.safetensors")
    check(parse_spec("./good", invocation_dir=here), here)


def test_the_lab_model_must_be_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", here)
    assert "lab-sft is missing from this installation" in refusal("lab-sft", here)


def test_torch_must_be_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    assert "torch not installed; type: pip install 'pytest-mcr[hf]'" in refusal("./x", here)


def test_no_hub_says_what_to_do(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(here / "cache"))
    message = refusal("hf:nobody/nothing@v2", here)
    assert "hf download nobody/nothing --revision v2" in message
    assert "--mcr-model ./FOLDER" in message


def test_a_cached_snapshot_needs_no_hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(here / "cache"))
    repo, commit, blob = here / "cache" / "models--some--model", "0" * 40, "ab" * 32
    for folder in ("refs", "blobs", "snapshots"):
        (repo / folder).mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    snapshot = checkpoint(repo / "snapshots" / commit, {"model_type": "qwen2_audio"})
    (repo / "blobs" / blob).write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to(repo / "blobs" / blob)
    check(parse_spec("hf:some/model", invocation_dir=here), here)
    assert hf_files.locate("some/model", None) == snapshot
    assert hf_files.revision_of(snapshot) == commit
    before = hf_files.digest(snapshot)
    (repo / "blobs" / blob).write_bytes(b"a blob is named by its content and need not be read")
    assert hf_files.digest(snapshot) == before


def test_the_digest_is_of_names_and_bytes(here: Path) -> None:
    config = {"model_type": "qwen2_audio"}
    one = checkpoint(here / "one", config, "model.safetensors")
    two = checkpoint(here / "two", config, "model.safetensors", "README.md")
    assert hf_files.digest(one) == hf_files.digest(two)
    (two / "tokenizer.json").write_text("{}")
    changed = hf_files.digest(two)
    assert changed != hf_files.digest(one)
    (two / "model.safetensors").write_bytes(b"longer")
    assert hf_files.digest(two) not in (changed, hf_files.digest(one))


def test_nothing_heavy_is_imported_to_resolve() -> None:
    code = (
        "import sys, pathlib, pytest_mcr.models.resolve as r, pytest_mcr.models.spec as s\n"
        "here = pathlib.Path('.')\n"
        "r.check(s.parse_spec('oracle:listener', invocation_dir=here), here)\n"
        "print([m for m in ('torch', 'transformers', 'numpy', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
