"""Waivers: what is read, what is refused in one line, what they may and may not do to a gate."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from pytest_mcr.core.gates import FAIL, INVALID, NOT_JUDGED, PASS, UNDECIDED, WAIVED, GateResult
from pytest_mcr.core.waivers import Waiver, read_waivers, waived
from pytest_mcr.errors import OptionError

TODAY = date(2026, 11, 27)
MODEL, DATA = "lab-1:ab12", "6022c4b34b6d" + "0" * 52
GOOD = {
    "gate": '"mrs >= 0.75@95"', "model": f'"{MODEL}"', "dataset": '"6022c4b34b6d"', "owner": '"Ada"',
    "reason": '"known; fixed in the next release"', "expires": "2026-12-31",
}  # fmt: skip


def written(path: Path, **changes: str | None) -> Path:
    rows = {**GOOD, **changes}
    path.write_text("[[waiver]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items() if value is not None))
    return path


def gate(verdict: str, expr: str = "mrs >= 0.75@95") -> GateResult:
    return GateResult(expr, 0.5, 0.4, 0.6, verdict, "0.500, wanted >= 0.75", 7, "*", expr)


def waiver(**changes: object) -> Waiver:
    values = {
        "gate": "mrs >= 0.75@95", "model": MODEL, "dataset": DATA[:12], "owner": "Ada", "reason": "known",
        "expires": TODAY, "where": "waivers.toml: waiver 1",
    }  # fmt: skip
    return Waiver(**{**values, **changes})  # type: ignore[arg-type]


def judged(given: Waiver, verdict: str = FAIL) -> tuple[GateResult, list[str]]:
    gates, notes = waived([gate(verdict)], [given], model=MODEL, dataset=DATA, today=TODAY)
    return gates[0], notes


def test_a_waiver_is_read(tmp_path: Path) -> None:
    [found] = read_waivers(written(tmp_path / "waivers.toml"), TODAY)
    assert (found.gate, found.owner, found.expires) == ("mrs >= 0.75@95", "Ada", date(2026, 12, 31))
    [found] = read_waivers(written(tmp_path / "waivers.toml", expires='"2026-12-31"'), TODAY)
    assert found.expires == date(2026, 12, 31)
    (tmp_path / "waivers.toml").write_text("")
    assert read_waivers(tmp_path / "waivers.toml", TODAY) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"owner": None}, "waiver 1: owner is missing"),
        ({"reason": '"  "'}, "reason = '  '; expected a text that is not empty"),
        ({"gate": "7"}, "gate = 7; expected a text"),
        ({"owner": '"Ada\\u001b[2J"'}, "owner = 'Ada\\x1b[2J'; expected a text"),
        ({"dataset": '"6022"'}, "dataset = '6022'; expected 12 characters or more"),
        ({"expires": '"soon"'}, "expires = 'soon'; expected a day such as 2027-01-31"),
        ({"expires": "2026-12-31T10:00:00"}, "expected a day"),
        ({"expires": "2027-02-26"}, "expires = 2027-02-26 is 91 days away; at most 90, so 2027-02-25 or sooner"),
        ({"onwer": '"Ada"'}, "unknown key 'onwer'; did you mean 'owner'?"),
    ],
)
def test_a_malformed_waiver_is_refused(tmp_path: Path, changes: dict[str, str | None], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_waivers(written(tmp_path / "waivers.toml", **changes), TODAY)
    assert words in str(caught.value)
    assert "waivers.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["waiver = 1", "waiver = ['x']", "[waivers]", "[[waiver]\n", "\xff"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "waivers.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(OptionError, match=r"waivers\.toml"):
        read_waivers(tmp_path / "waivers.toml", TODAY)


def test_ninety_days_are_allowed(tmp_path: Path) -> None:
    assert read_waivers(written(tmp_path / "waivers.toml", expires="2027-02-25"), TODAY)


@pytest.mark.parametrize("verdict", [FAIL, UNDECIDED])
def test_a_gate_is_waived_with_who_why_and_until_when(verdict: str) -> None:
    found, notes = judged(waiver(), verdict)
    assert (found.verdict, found.value, found.distance, notes) == (WAIVED, 0.5, None, [])
    assert found.to_json()["waiver"] == {"owner": "Ada", "reason": "known", "expires": "2026-11-27", "was": verdict}
    assert "wanted >= 0.75; waived by Ada until 2026-11-27: known" in found.reason
    assert "waiver" not in gate(FAIL).to_json()


@pytest.mark.parametrize("verdict", [PASS, INVALID, NOT_JUDGED])
def test_nothing_else_is_waived(verdict: str) -> None:
    found, [note] = judged(waiver(), verdict)
    assert found == gate(verdict)
    assert f"does nothing: the gate is {verdict.replace('_', ' ')}" in note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires": TODAY - timedelta(1)}, "it expired on 2026-11-26"),
        ({"model": "other"}, f"it is for the model other, this is {MODEL}"),
        ({"dataset": "f" * 12}, "it is for the data ffffffffffff, this is 6022c4b34b6d"),
        ({"gate": "mrs >= 0.7@95"}, "no gate of this run is called so; did you mean 'mrs >= 0.75@95'?"),
    ],
)
def test_what_does_not_fit_does_nothing_and_says_so(changes: dict[str, object], words: str) -> None:
    found, [note] = judged(waiver(**changes))
    assert found.verdict == FAIL
    assert words in note
    assert note.startswith("waivers.toml: waiver 1 (")
