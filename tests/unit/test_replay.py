import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Model, Request, Response
from pytest_mcr.models.replay import Replay, read


def ask(model: Replay, case: str, candidates: tuple[str, ...] = ("yes", "no")) -> Response:
    [response] = model.respond([Request(case, None, "prompt", candidates, 32, want_scores=True)])
    return response


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_plain_answers(tmp_path: Path) -> None:
    lines = [
        '{"id": "AQA-0000-neutral", "text": "yes", "scores": {"YES": -0.1, "no": -2}}',
        "",
        '{"id": "b", "text": ""}',
    ]
    model = Replay(write(tmp_path / "a.jsonl", *lines))
    assert isinstance(model, Model)
    assert model.recorded
    assert ask(model, "AQA-0000-neutral") == Response("yes", {"yes": -0.1, "no": -2.0})
    assert ask(model, "b") == Response("", None)
    assert model.has("b")
    assert not model.has("b::placebo.0")
    assert ask(model, "c") == Response(None, None, "a.jsonl holds no answer for c")


def test_our_own_cases_file(tmp_path: Path) -> None:
    case = {
        "id": "SER-0001-neutral",
        "task": "SER",
        "answer": "sad",
        "raw": "It is sad.",
        "scores": None,
        "error": None,
    }
    failed = {"id": "SER-0002-neutral", "raw": None, "scores": None, "error": "the model raised OSError"}
    model = Replay(write(tmp_path / "cases.jsonl", json.dumps(case), json.dumps(failed)))
    assert ask(model, "SER-0001-neutral") == Response("It is sad.", None)
    assert ask(model, "SER-0002-neutral") == Response(None, None, "the model raised OSError")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "a", "text": "y', ":2: not a whole JSON object"),
        ("[1]", ":2: a list"),
        ('{"text": "yes"}', ':2: no "id"'),
        ('{"id": "", "text": "yes"}', ':2: no "id"'),
        ('{"id": "first", "text": "no"}', ":2: first was already answered in line 1"),
        ('{"id": "a"}', ':2: neither "text"'),
        ('{"id": "a", "text": 3}', ":2: the text is a int"),
        ('{"id": "a", "text": "x", "scores": [1]}', ":2: scores is a list"),
        ('{"id": "a", "text": "x", "scores": {"yes": NaN}}', ":2: NaN is not a number"),
        ('{"id": "a", "text": "x", "scores": {"yes": "1"}}', ":2: score of 'yes'"),
        ('{"id": "a", "text": "x", "scores": {"yes": true}}', ":2: score of 'yes'"),
        ('{"id": "a", "text": "x", "scores": {"yes": 1e999}}', ":2: score of 'yes'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path / "answers.jsonl", '{"id": "first", "text": "yes"}', line)
    with pytest.raises(ModelError) as caught:
        read(path)
    assert f"answers.jsonl{words}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.jsonl: No such file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(ModelError, match=r"no answers; .* a run that asked the benchmark's cases"):
        read(write(tmp_path / "empty.jsonl"))
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes('{"id": "a", "text": "café"}'.encode("latin-1"))
    with pytest.raises(ModelError, match=r"latin\.jsonl:1: not UTF-8"):
        read(latin)


def test_the_fingerprint_is_the_content(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", '{"id": "a", "text": "yes"}')
    same = write(tmp_path / "same.jsonl", '{"id": "a", "text": "yes"}')
    other = write(tmp_path / "other.jsonl", '{"id": "a", "text": "no"}')
    prints = [Replay(path).fingerprint() for path in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("replay") / "a.jsonl"
    path.write_text("".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in answers.items()))
    model = Replay(path)
    assert {key: ask(model, key).text for key in answers} == answers


def test_one_label_in_two_spellings(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": "a", "scores": {"Yes": -1, "yes ": -2}}')
    with pytest.raises(ModelError, match=r"a\.jsonl:1: scores of 'Yes' and 'yes ', which are one label"):
        read(path)


def test_another_prompt_is_an_error_of_its_case(tmp_path: Path) -> None:
    long = "Listen to the audio and answer the question. Question: Is there a"
    lines = [
        json.dumps({"id": "same", "text": "yes", "prompt": "prompt"}),
        json.dumps({"id": "other", "text": "yes", "prompt": "prompt!"}),
        json.dumps({"id": "failed", "error": "no luck", "prompt": "another"}),
    ]
    model = Replay(write(tmp_path / "a.jsonl", *lines))
    assert ask(model, "same") == Response("yes")
    assert ask(model, "failed").error == "no luck"
    assert ask(model, "other") == Response(
        None, None, "a.jsonl: other was recorded with another prompt: 'prompt!' then, 'prompt' now (character 6)"
    )
    model = Replay(write(tmp_path / "b.jsonl", json.dumps({"id": "x", "text": "", "prompt": f"{long} cat?"})))
    [answer] = model.respond([Request("x", None, f"{long} dog?", (), 32, want_scores=False)])
    assert answer.error is not None
    assert "Is there a cat?' then, '" in answer.error
    assert "Is there a dog?' now" in answer.error


def test_what_is_counted(tmp_path: Path) -> None:
    lines = ['{"id": "a", "text": "", "scores": {"x": 0}}', '{"id": "b", "error": "no"}', '{"id": "c", "text": "y"}']
    model = Replay(write(tmp_path / "a.jsonl", *lines))
    assert model.ids() == ["a", "b", "c"]
    assert {key: model.traits[key] for key in ("answers", "texts", "scored", "errors", "recorded_by")} == {
        "answers": 3, "texts": 2, "scored": 1, "errors": 1, "recorded_by": None,
    }  # fmt: skip
