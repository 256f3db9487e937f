"""Keys of the response cache: any difference counts, no two fields can be confused, nothing else matters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.run import cache_key
from pytest_mcr.run.cache_key import answer_key, clip_key, proof_key

TRICKY = st.text(st.sampled_from(["a", "b", '"', ",", "[", "]", "\\", "n", "\n", "\ud800", "\udc00", "\U00010000"]))
NUMBERS = st.none() | st.integers(0, 3)
ANSWER = {
    "fingerprint": TRICKY,
    "digest": st.none() | TRICKY,
    "sample_rate": NUMBERS,
    "samples": NUMBERS,
    "prompt": TRICKY,
    "candidates": st.lists(TRICKY, max_size=3).map(tuple),
    "max_new_tokens": st.integers(0, 3),
    "want_scores": st.booleans(),
    "path": st.sampled_from(["engine", "plain"]),
}
PROOF = {
    "fingerprint": TRICKY,
    "clips": st.lists(TRICKY, max_size=3).map(tuple),
    "sample_rate": NUMBERS,
    "prompt": TRICKY,
    "candidates": st.lists(TRICKY, max_size=3).map(tuple),
    "max_new_tokens": st.integers(0, 3),
    "canary": st.integers(0, 3),
}
ONE: dict[str, Any] = {
    "fingerprint": "m", "digest": "d", "sample_rate": 16000, "samples": None, "prompt": "Is it?",
    "candidates": ("yes", "no"), "max_new_tokens": 8, "want_scores": True, "path": "engine",
}  # fmt: skip
PROBE: dict[str, Any] = {
    "fingerprint": "m", "clips": ("a", "b"), "sample_rate": None, "prompt": "Is it?", "candidates": (),
    "max_new_tokens": 8, "canary": 1,
}  # fmt: skip


@pytest.mark.parametrize(("key_of", "fields"), [(answer_key, ANSWER), (proof_key, PROOF)], ids=["answer", "proof"])
@given(data=st.data())
def test_keys_are_equal_just_when_the_fields_are(
    key_of: Callable[..., str], fields: dict[str, st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    one = data.draw(st.fixed_dictionaries(fields))
    changed = data.draw(st.sets(st.sampled_from(sorted(fields)), max_size=3))
    two = one | {name: data.draw(fields[name]) for name in sorted(changed)}
    assert (key_of(**one) == key_of(**two)) == (one == two)
    assert len(key_of(**one)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "n"},
        {"digest": None},
        {"digest": "e"},
        {"sample_rate": None},
        {"sample_rate": 8000},
        {"samples": 16000},
        {"prompt": "Is it"},
        {"candidates": ("no", "yes")},
        {"candidates": ("yes,no",)},
        {"candidates": ('yes","no',)},
        {"candidates": ("yes", "no", "")},
        {"max_new_tokens": 9},
        {"want_scores": False},
        {"path": "plain"},
    ],
    ids=str,
)
def test_each_field_of_an_answer_counts(change: dict[str, Any]) -> None:
    assert answer_key(**ONE | change) != answer_key(**ONE)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "n"},
        {"clips": ("b", "a")},
        {"clips": ("ab",)},
        {"sample_rate": 8000},
        {"prompt": ""},
        {"candidates": ("yes",)},
        {"max_new_tokens": 9},
        {"canary": 2},
    ],
    ids=str,
)
def test_each_field_of_a_proof_counts(change: dict[str, Any]) -> None:
    assert proof_key(**PROBE | change) != proof_key(**PROBE)


def test_two_lone_surrogates_are_not_the_character_they_would_form() -> None:
    lone, whole = "\ud83d" + "\ude00", "\U0001f600"
    assert lone != whole
    assert answer_key(**ONE | {"prompt": lone}) != answer_key(**ONE | {"prompt": whole})


def test_text_does_not_move_from_one_field_to_the_next() -> None:
    assert answer_key(**ONE | {"fingerprint": "ab", "digest": "c"}) != answer_key(
        **ONE | {"fingerprint": "a", "digest": "bc"}
    )


def test_a_sequence_counts_by_its_members() -> None:
    assert answer_key(**ONE | {"candidates": ["yes", "no"]}) == answer_key(**ONE)


def test_a_rate_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(TypeError, match="integer"):
        answer_key(**ONE | {"sample_rate": 16000.0})


def test_versions_of_ours_and_of_others_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "a.wav"
    clip.write_bytes(b"x")
    own_rate = ONE | {"sample_rate": None}

    def keys() -> tuple[str, str, str]:
        cache_key._arithmetic.cache_clear()
        cache_key._decoder.cache_clear()
        return answer_key(**ONE), answer_key(**own_rate), clip_key(clip)

    def changed(target: Any, name: str, value: object) -> tuple[bool, bool, bool]:
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            after = keys()
        return after[0] != before[0], after[1] != before[1], after[2] != before[2]

    before = keys()
    assert changed(cache_key, "ENGINE", -1) == (True, True, True)
    assert changed(cache_key, "DECODER", -1) == (False, False, True)
    assert changed(soundfile, "__libsndfile_version__", "0") == (False, False, True)
    assert changed(soundfile, "__version__", "0") == (False, False, True)
    assert changed(cache_key, "version", lambda name: f"{name} 0") == (True, False, False)  # only what resamples
    assert keys() == before


def test_a_clip_is_known_by_its_bytes_and_suffix_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    paths = [tmp_path / name for name in ("a.wav", "folder/b.WAV", "c.wav", "d.mp3")]
    for path, content in zip(paths, (b"clip", b"clip", b"clap", b"clip"), strict=True):
        path.write_bytes(content)
    one, same, other, suffix = map(clip_key, paths)
    assert one == same
    assert len({one, other, suffix}) == 3


def test_a_clip_that_cannot_be_read_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        clip_key(tmp_path / "absent.wav")


def test_keys_need_no_scipy() -> None:
    """It costs half a second, which a run whose answers are all stored should not pay."""
    code = (
        "import sys; from pytest_mcr.run.cache_key import proof_key; proof_key(fingerprint='', clips=(), "
        "sample_rate=8000, prompt='', candidates=(), max_new_tokens=1, canary=1); sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
