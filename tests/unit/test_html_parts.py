"""Parts of the HTML report: clips that stay inside of the dataset, cut texts, numbers as drawings, published rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, Sample
from pytest_mcr.core.metrics import Metric
from pytest_mcr.core.repaired import Repaired
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.report import frontier, html
from pytest_mcr.report.html_audio import ALL_BYTES, CLIP_BYTES, Clips, playable
from pytest_mcr.report.html_cases import ALL_CHARACTERS, LONGEST, SHORTEST, cut, limit_of, rows_of, score_lines
from pytest_mcr.report.html_findings import findings
from pytest_mcr.report.html_numbers import DRAWN, bar_of, cell_of, suite_blocks, task_blocks
from pytest_mcr.report.published import comparisons, figures, others
from pytest_mcr.report.word_diff import IN, OUT, word_diff
from pytest_mcr.report.wording import is_printable
from pytest_mcr.run.record import RunRecord
from tests.unit.records import follower, lab_like, listener, run, samples_of

NOISE = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)


def sample(audio: str, name: str = "AQA-0000") -> Sample:
    return Sample(id=name, task="AQA", audio=audio, question="q", gold="yes", texts={})


def written(path: Path, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, NOISE, 8000, **how)
    return path


# --- clips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how", "media"),
    [
        ("a.wav", {"subtype": "PCM_16"}, "audio/wav"),
        ("a.flac", {}, "audio/flac"),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}, "audio/ogg"),
        ("a.mp3", {"format": "MP3"}, "audio/mpeg"),
    ],
)
def test_what_a_browser_plays_is_embedded_byte_for_byte(
    tmp_path: Path, name: str, how: dict[str, str], media: str
) -> None:
    path = written(tmp_path / name, **how)
    one = sample(name)
    url = Clips(tmp_path, tmp_path, [one]).of(one).embedded
    assert url is not None
    assert url.startswith(f"data:{media};base64,")
    assert base64.b64decode(url.partition(",")[2]) == path.read_bytes()


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "ULAW"), ("a.wav", "IMA_ADPCM"), ("a.aiff", "PCM_16")])
def test_other_codings_become_wav(tmp_path: Path, name: str, subtype: str) -> None:
    media, content = playable(written(tmp_path / name, subtype=subtype))
    assert media == "audio/wav"
    (tmp_path / "b.wav").write_bytes(content)
    info = soundfile.info(tmp_path / "b.wav")
    assert (info.subtype, info.samplerate, info.channels) == ("PCM_16", 8000, 1)
    assert info.frames >= len(NOISE)


def test_a_clip_outside_of_the_dataset_is_neither_embedded_nor_linked(tmp_path: Path) -> None:
    written(tmp_path / "outside.wav")
    root = tmp_path / "data"
    root.mkdir()
    (root / "link.wav").symlink_to(tmp_path / "outside.wav")
    for audio in ("../outside.wav", "link.wav", str(tmp_path / "outside.wav")):
        one = sample(audio)
        clip = Clips(root, tmp_path, [one]).of(one)
        assert (clip.embedded, clip.link) == (None, None)
        assert "outside" in clip.note


def test_missing_broken_and_large_clips_say_so(tmp_path: Path) -> None:
    (tmp_path / "broken.ogg").write_bytes(b"OggS" + bytes(100))
    soundfile.write(tmp_path / "large.wav", np.zeros(CLIP_BYTES // 2 + 1, np.int16), 16000)
    with (tmp_path / "huge.wav").open("wb") as file:
        file.truncate(17 * CLIP_BYTES)  # a hole: takes no room
    notes = {"none.wav": "missing", "broken.ogg": "cannot be decoded", "large.wav": "limit is 2 MB", "huge.wav": "2 MB"}
    for audio, words in notes.items():
        one = sample(audio)
        clip = Clips(tmp_path, tmp_path, [one]).of(one)
        assert clip.embedded is None
        assert words in clip.note
        assert (clip.link is None) == (audio == "none.wav")


def test_all_clips_together_have_a_limit_and_the_worst_come_first(tmp_path: Path) -> None:
    wanted = []
    for place in range(8):
        soundfile.write(tmp_path / f"{place}.wav", np.full(CLIP_BYTES // 2 - 100, place, np.int16), 16000)
        wanted.append(sample(f"{place}.wav", f"AQA-{place:04d}"))
    clips = Clips(tmp_path, tmp_path, reversed(wanted))
    inside = [one.id for one in wanted if clips.of(one).embedded]
    assert clips.embedded == len(inside)
    assert len(inside) == ALL_BYTES // CLIP_BYTES
    assert inside == [one.id for one in wanted][-len(inside) :]
    assert "limit is 9 MB" in clips.of(wanted[0]).note


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20))
def test_a_link_leads_to_its_file_whatever_it_is_called(name: str) -> None:
    root = Path("/data set/é#?%")
    clips = Clips(root, Path("/data set/reports"), [])
    url = clips._url(root / f"x{name}.wav")
    assert not set(url) & set(" \"'<>#?:\\&")
    assert unquote(url) == f"../é#?%/x{name}.wav"


def test_a_link_is_absolute_where_nothing_is_shared() -> None:
    assert Clips(Path("/a"), Path("/b"), [])._url(Path("/a/x y.wav")) == "file:///a/x%20y.wav"


# --- cases -----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(1, 200))
def test_a_cut_text_is_bounded_printable_and_says_how_long_it_was(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert all(is_printable(char) for char in found)
    assert ("(cut: " in found) == (len(text) > limit) or "(cut: " in text
    assert len(found) <= 10 * min(len(text), limit) + 60


def test_a_megabyte_is_cut_quickly() -> None:
    assert cut("\u202e" * 1_000_000, 3).startswith("\\u202e\\u202e\\u202e [...] (cut: 3 of 1,000,000 characters)")


@given(st.integers(0, 200_000))
def test_the_limit_keeps_the_file_small(cases: int) -> None:
    limit = limit_of(cases)
    assert SHORTEST <= limit <= LONGEST
    assert limit == SHORTEST or limit * cases <= ALL_CHARACTERS


def test_scores_stand_in_the_order_of_the_candidates() -> None:
    assert score_lines({"b": -1.0, "a": -0.5, "z": -9.0}, ("a", "b")) == "-0.50  a\n-1.00  b\n-9.00  z"
    assert score_lines({str(n): -1.0 for n in range(25)}, ()).endswith("and 5 more")
    assert score_lines({}, ("a",)) == ""


def lines(samples: Sequence[Sample], conditions: Sequence[str] = CONDITIONS) -> list[dict[str, Any]]:
    return [
        {
            "sample": one.id, "condition": condition, "verdict": "text" if condition == "adversarial" else "audio",
            "answer": one.gold, "raw": f"It is {one.gold}.", "text_label": one.text_labels.get(condition),
            "scores": {one.gold: -0.1}, "confidence": 0.9, "calibrated": 0.5, "error": None,
        }
        for one in samples
        for condition in conditions
    ]  # fmt: skip


def test_rows_hold_the_answers_of_a_sample_side_by_side(tmp_path: Path) -> None:
    samples = samples_of({"AQA": 3})
    path = tmp_path / "cases.jsonl"
    rows = lines(samples)
    rows[1] |= {"answer": None, "raw": "a\x85b\u2028c", "verdict": "error", "error": "lost", "confidence": None}
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    found = list(rows_of(path, {one.id: one for one in samples}, Clips(tmp_path, tmp_path, []), {"AQA-0001": 1}, 60))
    assert [row.id for row in found] == ["AQA-0000", "AQA-0001", "AQA-0002"]
    assert [row.turned for row in found] == [False, True, False]
    first = found[0]
    assert first.letters(CONDITIONS) == "aeta"
    assert first.confidences(CONDITIONS) == "0.9000,,0.9000,0.9000"
    assert first.answers["faithful"].word == "error"
    assert first.answers["faithful"].said == "a b c"
    assert first.answers["neutral"].text == ""
    assert first.answers["adversarial"].text == samples[0].texts["adversarial"]
    assert first.has("calibrated")
    assert not found[1].has("error")


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_number_has_its_interval_and_its_place(tmp_path: Path) -> None:
    table = run(tmp_path, lab_like).judgement.table
    blocks = task_blocks(table)
    assert [block.name for block in blocks] == ["Mean over tasks", "AQA", "SER", "VSC"]
    row = table.get("tir", "adversarial", "AQA")
    assert row is not None
    cell = cell_of(row, n=True, threshold=0.3)
    assert cell.n == row.n
    assert cell.bar is not None
    assert cell.bar.mark == 30.0
    assert cell.bar.low <= cell.bar.value <= cell.bar.high
    for block in blocks:
        for _, _, cells in block.rows:
            assert len(cells) == len(block.head)
            assert all(
                0 <= at <= DRAWN for one in cells if one.bar for at in (one.bar.low, one.bar.value, one.bar.high)
            )


def test_a_number_without_interval_or_span_has_no_drawing(tmp_path: Path) -> None:
    row = run(tmp_path, listener).judgement.table.get("accuracy", "neutral", "AQA")
    assert row is not None
    assert bar_of(replace(row, low=None)) is None
    assert bar_of(replace(row, metric="nll")) is None
    assert cell_of(None).text == cell_of(replace(row, value=None)).text == "-"


def test_numbers_of_a_suite_stand_where_it_ran(tmp_path: Path) -> None:
    record = run(tmp_path, follower, suites=("bench", "confidence"))
    names = [label for label, _, _ in suite_blocks(record.judgement.table, "confidence")[0].rows]
    assert "mean_confidence" in names
    assert suite_blocks(record.judgement.table, "dominance") == []


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_a_word_diff_holds_both_texts(before: list[str], after: list[str]) -> None:
    parts = word_diff(" ".join(before), " ".join(after))
    assert " ".join(words for kind, words in parts if kind != IN).split() == before
    assert " ".join(words for kind, words in parts if kind != OUT).split() == after


def test_findings_of_the_hunt_are_shown_fewest_edits_first() -> None:
    def clip(name: str, edits: list[str]) -> dict[str, Any]:
        finding = {"sample": name, "operators": edits, "gold": "yes", "answer": "<b>no", "base": "A dog.", "text": "A"}
        return {"id": name, "findings": [finding], "refused": None, "calls": 3}

    probes = {"hunted": {"b": clip("AQA-0002", ["x", "y"]), "a": clip("AQA-0003", [])}}
    sentence, found = findings(replace(RECORDS[0], probes=probes))
    assert sentence == "2 clips of 2 turned by a text, 6 texts asked"
    assert [one.sample for one in found] == ["AQA-0003", "AQA-0002"]
    assert found[0].words == (("", "A"), ("-", "dog."))
    assert findings(RECORDS[0]) == ("", [])


# --- published -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mini", "custom"])
def test_published_rows_stand_beside_the_release_alone(tmp_path: Path, kind: str) -> None:
    record = run(tmp_path, follower, kind=kind)
    assert comparisons(record) == []
    assert others(record) == []


def test_published_rows_come_with_their_protocol_and_ours_first(tmp_path: Path) -> None:
    record = run(tmp_path, follower, kind="release")
    first, second = comparisons(record)
    assert first.protocol.startswith("constrained short-label generation")
    assert second.protocol == "free generation"
    assert ("AQA", "adversarial") in first.columns
    assert ("AQA", "neutral") not in first.columns
    assert dict(first.rows)["Qwen2-Audio-7B-Instruct"][first.columns.index(("AQA", "adversarial"))] == "2.0 %"
    assert dict(first.rows)["Qwen2-Audio-7B-Instruct + GACL"][first.columns.index(("SER", "faithful"))] == "97.0 %"
    assert first.ours[first.columns.index(("AQA", "adversarial"))].startswith("0.0 % [0.0, ")
    assert "discretion" in first.subject
    shown = sum(value != "-" for table in (first, second) for _, values in table.rows for value in values)
    assert shown + len(others(record)) == len(list(figures()))
    assert {figure.benchmark for figure in figures()} == {"MCR-BENCH"}


# --- charts and page -------------------------------------------------------------------------------------------------


def arm(name: str, metric: str, value: float) -> Metric:
    return Metric(
        "*", None, metric, value, value - 0.1, value + 0.1, value, value, 30, 30, extra={"arm": name}
    )  # fmt: skip


@given(st.lists(st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9)), min_size=2, max_size=9))
def test_the_frontier_holds_every_arm_and_no_beaten_one(
    tmp_path_factory: Any, pairs: list[tuple[float, float]]
) -> None:
    names = tuple(f"arm<{place}>" for place in range(len(pairs)))
    rows = [arm(name, metric, pair[side]) for name, pair in zip(names, pairs, strict=True) for side, metric in
            enumerate(("drop", "gain"))]  # fmt: skip
    record = planted(RECORDS[0], Repaired(tuple(rows), names))
    text = frontier.svg(record)
    assert text is not None
    root = ElementTree.fromstring(text)
    numbers = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text") if node.get("class") == "number"]
    assert numbers == [str(place) for place in range(1, len(pairs) + 1)]
    kept = frontier.best(frontier.marks_of(record))
    for mark in kept:
        beaten = [pair for pair in pairs if pair[0] <= mark.drop.value and pair[1] > mark.gain.value]  # type: ignore[operator]
        assert beaten == []


def test_one_arm_is_no_frontier(tmp_path: Path) -> None:
    record = planted(RECORDS[0], Repaired((arm("a", "drop", 0.1), arm("a", "gain", 0.1)), ("a",)))
    assert frontier.svg(record) is None


def planted(record: RunRecord, repairs: Repaired) -> RunRecord:
    return replace(record, judgement=replace(record.judgement, repairs=repairs))


RECORDS: list[RunRecord] = []


@pytest.fixture(autouse=True, scope="module")
def _records(tmp_path_factory: pytest.TempPathFactory) -> None:
    RECORDS.append(run(tmp_path_factory.mktemp("record"), lab_like, sizes={"AQA": 30, "SER": 30}))


def page(tmp_path: Path, record: RunRecord, samples: Sequence[Sample]) -> str:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in lines(samples)), encoding="utf-8")
    data = Dataset(fixture("mini-mcr"), "custom", "0" * 64, tuple(samples))
    return "".join(html.page(record, html.Material(data, path, ["AQA-0001"], 3), tmp_path))


class Tags(HTMLParser):
    """The elements of a page, and whether each is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for key, value in attrs if key == "id"]
        if tag not in ("meta", "link", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "option" and self.open[-1] != "option":
            return
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_the_same_for_the_same_run(tmp_path: Path) -> None:
    samples = samples_of({"AQA": 30, "SER": 30})
    layers = {"layers": {"AQA": {"rows": [
        {"metric": "dominance.lens_audio", "value": 1.0, "low": 0.5, "high": 1.5, "n": 9, "layer": layer}
        for layer in range(4)
    ]}}}  # fmt: skip
    record = replace(RECORDS[0], probes=layers)
    text = page(tmp_path, record, samples)
    assert text == page(tmp_path, record, samples)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert {f"AQA-{place:04d}" for place in range(30)} <= set(tags.ids)
    assert "Layer by layer" in text
    assert text.count("<style") == text.count("<script") == 1
    assert " style=" not in text.partition("</style>")[2]
    style, script = (text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0] for tag in ("style", "script"))
    assert f"style-src &#39;{html.digest(style)}&#39;" in text
    assert f"script-src &#39;{html.digest(script)}&#39;" in text


def test_the_page_of_the_release_labels_what_is_published(tmp_path: Path) -> None:
    record = replace(RECORDS[0], dataset={**RECORDS[0].dataset, "kind": "release"})
    text = page(tmp_path, record, samples_of({"AQA": 30, "SER": 30}))
    assert "Published rows beside ours" in text
    assert "protocol: free generation" in text
    assert "not comparable with published rows" not in text
