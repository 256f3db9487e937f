"""Mixes, quotas and the split by clip: pure, as properties."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, Sample
from pytest_mcr.errors import DataError, OptionError
from pytest_mcr.train.lora_data import MIX, Clips, parse_mix, quotas, split

MIXES = st.dictionaries(st.sampled_from(CONDITIONS), st.floats(0.01, 10), min_size=1)


def clips_of(groups: list[int]) -> Clips:
    """Samples whose number is also that of their clip's group; every second one is of another task."""
    samples = [
        Sample(
            id=f"T-{n:04d}", task=("AQA", "SER")[n % 2], audio=f"{n}.wav", question="?", gold="yes",
            texts=dict.fromkeys(CONDITIONS[1:], "A text."),
        )
        for n in range(len(groups))
    ]  # fmt: skip
    return Clips(samples, {sample.id: f"digest-{group}" for sample, group in zip(samples, groups, strict=True)}, [])


@given(MIXES)
def test_a_mix_is_read_as_it_is_written(mix: dict[str, float]) -> None:
    found = parse_mix(",".join(f"{name}={weight!r}" for name, weight in mix.items()))
    assert sum(found.values()) == pytest.approx(1)
    assert found == {name: pytest.approx(weight / sum(mix.values())) for name, weight in mix.items()}


@pytest.mark.parametrize("text", ["", "neutral=", "neutral=0", "neutral=-1", "neutral=inf", "neutral=nan", "x=1", "="])
def test_a_mix_that_cannot_be_read_names_its_part(text: str) -> None:
    with pytest.raises(OptionError, match="--mix"):
        parse_mix(text)


@given(MIXES, st.integers(0, 500))
def test_quotas_add_up_and_keep_the_shares(mix: dict[str, float], count: int) -> None:
    shares = {name: weight / sum(mix.values()) for name, weight in mix.items()}
    found = quotas(shares, count)
    assert sum(found.values()) == count
    assert all(abs(found[name] - shares[name] * count) < 1 for name in shares)


@given(st.integers(20, 60), st.integers(1, 4), st.integers(0, 5), st.floats(0.05, 0.4))
def test_no_clip_is_on_both_sides_and_no_example_twice(count: int, shared: int, seed: int, dev: float) -> None:
    clips = clips_of([n // shared for n in range(count)])
    parts = split(clips, MIX, 5, dev, seed)
    train, held = ({clips.digests[one.sample.id] for one in side} for side in (parts.train, parts.dev))
    assert train
    assert held
    assert not train & held
    for side in (parts.train, parts.dev):
        assert max(Counter((one.sample.id, one.condition) for one in side).values()) == 1
    assert Counter(one.condition for one in parts.train) == Counter(quotas(MIX, 5))
    assert parts == split(clips, MIX, 5, dev, seed)


def test_a_clip_serves_again_only_when_all_others_did() -> None:
    parts = split(clips_of(list(range(40))), {"adversarial": 0.5, "neutral": 0.5}, 54, 0.1, 0)
    used = Counter(one.sample.id for one in parts.train)
    assert set(used.values()) == {1, 2}
    assert len(used) == 36


def test_too_few_clips_say_what_to_type() -> None:
    with pytest.raises(DataError, match=r"--samples 100 needs 100 faithful clips, --data has 9 .*; type: --samples 9"):
        split(clips_of(list(range(10))), {"faithful": 1.0}, 100, 0.1, 0)
    with pytest.raises(DataError, match="1 clips that can be used; expected at least 2"):
        split(clips_of([1]), {"faithful": 1.0}, 1, 0.1, 0)
