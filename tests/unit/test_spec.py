from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import ModelError
from pytest_mcr.models import aliases
from pytest_mcr.models.spec import SCHEMES, parse_spec, split_revision

HERE = Path("/somewhere")
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)


def parts(text: str) -> tuple[str, str, dict[str, str]]:
    spec = parse_spec(text, invocation_dir=HERE)
    assert spec.text == text
    return spec.scheme, spec.rest, dict(spec.options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab", ("lab", "lab-model", {})),
        ("lab-sft?dtype=float32", ("lab", "lab-sft", {"dtype": "float32"})),
        ("qwen2-audio", ("hf", "Qwen/Qwen2-Audio-7B-Instruct", {})),
        ("hf:Qwen/Qwen2-Audio-7B@abc?attn=eager", ("hf", "Qwen/Qwen2-Audio-7B@abc", {"attn": "eager"})),
        ("oracle:noisy?p=0.2&seed=0", ("oracle", "noisy", {"p": "0.2", "seed": "0"})),
        ("replay:a/b.jsonl", ("replay", "a/b.jsonl", {})),
        ("exec:python serve.py --port=3", ("exec", "python serve.py --port=3", {})),
        ("openai:http://h:8000/v1#M,http://g/v1", ("openai", "http://h:8000/v1#M,http://g/v1", {})),
        ("my_models:make?size=3", ("module", "my_models:make", {"size": "3"})),
        ("package.module:Model", ("module", "package.module:Model", {})),
        ("./model", ("folder", str((HERE / "model").resolve()), {})),
        ("/abs/model?dtype=float16", ("folder", "/abs/model", {"dtype": "float16"})),
        ("runs/7:30/model", ("folder", str((HERE / "runs/7:30/model").resolve()), {})),
        ("oracle:crasher?case=A%26B%3Dc", ("oracle", "crasher", {"case": "A&B=c"})),
        ("replay:what?.jsonl", ("replay", "what?.jsonl", {})),
        ("replay:a?x=1?y=2", ("replay", "a?x=1", {"y": "2"})),
        ("replay:a?x=1?y", ("replay", "a", {"x": "1?y"})),
        ("oracle:noisy?p=", ("oracle", "noisy", {"p": ""})),
    ],
)
def test_grammar(text: str, expected: tuple[str, str, dict[str, str]]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty", "--mcr-model lab"]),
        ("  ", ["empty"]),
        ("labb", ["labb", "did you mean lab?", "qwen2-audio"]),
        ("qwen2_audio", ["did you mean qwen2-audio?"]),
        ("hff:Qwen/Qwen2-Audio-7B", ["hff", "did you mean hf?", "package.module:factory"]),
        ("oracle:", ["nothing after oracle:", "oracle:listener"]),
        ("oracle:noisy?p=1&p=2", ["p is given twice"]),
        ("oracle:noisy?p=%ff", ["p=%ff", "UTF-8"]),
        ("two words", ["two words"]),
    ],
)
def test_a_bad_spec_is_one_line_that_helps(text: str, words: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        parse_spec(text, invocation_dir=HERE)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_folder_without_separator_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ModelError, match=r"\./mine"):
        parse_spec("mine", invocation_dir=tmp_path)


@given(st.sampled_from(SCHEMES), st.dictionaries(KEYS, st.text(max_size=12), max_size=4))
def test_options_survive_percent_encoding(scheme: str, options: dict[str, str]) -> None:
    tail = "&".join(f"{key}={quote(value, safe='')}" for key, value in options.items())
    expected = (scheme, "x", options)
    assert parts(f"{scheme}:x" + (f"?{tail}" if tail else "")) == expected


def outcome(text: str) -> str:
    try:
        return parse_spec(text, invocation_dir=HERE).scheme
    except ModelError as error:
        return "one line" if len(str(error).splitlines()) == 1 else str(error)


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_model_error_in_one_line(text: str) -> None:
    assert outcome(text) in (*SCHEMES, "lab", "folder", "module", "one line")


def test_revision() -> None:
    assert split_revision("a/b") == ("a/b", None)
    assert split_revision("a/b@v1.0") == ("a/b", "v1.0")
    for bad in ("a/b@", "a/b/c", "/a", "a b", "../x"):
        with pytest.raises(ModelError, match="hf:"):
            split_revision(bad)


def test_every_published_alias_is_a_repository_name() -> None:
    for repo in aliases.PUBLISHED.values():
        assert split_revision(repo) == (repo, None)
        assert repo.count("/") == 1


@pytest.mark.parametrize("text", ["/\0", "~nobody-of-this-name/model"], ids=["null byte", "no such home"])
def test_no_path_at_all(text: str) -> None:
    with pytest.raises(ModelError, match="no path to a folder"):
        parse_spec(text, invocation_dir=Path("/x"))
