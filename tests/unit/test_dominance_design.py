"""The declared design: every family and stratum has its turn, no clip a stratum twice, the same in every process."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.dominance_design import FAMILIES, plans
from pytest_mcr.core.perturb import OPERATORS

ALL = sum(map(len, FAMILIES.values()))


@given(st.integers(0, 40), st.integers(1, ALL + 5))
def test_every_clip_has_its_share_and_nothing_twice(clips: int, examples: int) -> None:
    made = plans(clips, examples)
    assert len(made) == clips
    for chosen in made:
        assert len(chosen) == min(examples, ALL)
        assert len(set(chosen)) == len(chosen)


@given(st.integers(1, 40), st.integers(1, 8))
def test_short_plans_give_every_family_an_equal_share(clips: int, examples: int) -> None:
    family = {stratum: name for name, strata in FAMILIES.items() for stratum in strata}
    count = Counter(family[stratum] for chosen in plans(clips, examples) for stratum in chosen)
    shares = [count[name] for name in FAMILIES]
    assert max(shares) - min(shares) <= 1


@given(st.integers(1, 30), st.integers(1, 20))
def test_more_clips_begin_with_the_same_plans(clips: int, examples: int) -> None:
    assert plans(clips + 5, examples)[:clips] == plans(clips, examples)


def test_sixty_clips_of_twenty_meet_every_stratum() -> None:
    met = Counter(stratum for chosen in plans(60, 20) for stratum in chosen)
    assert set(met) == {stratum for strata in FAMILIES.values() for stratum in strata}


def test_strata_are_levels_that_change_something_and_know_their_dose() -> None:
    for strata in FAMILIES.values():
        for stratum in strata:
            operator = OPERATORS[stratum.operator]
            place = operator.levels.index(stratum.level)
            assert place > 0
            assert stratum.dose == (operator.doses[place] if operator.doses else None)


def test_every_operator_is_in_the_design() -> None:
    assert {stratum.operator for strata in FAMILIES.values() for stratum in strata} == set(OPERATORS)
