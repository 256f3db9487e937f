"""Prompt templates: how a case becomes the user turn's text. The conditions of a sample differ in the text line alone.

The audio itself comes first and is added by the model adapter. Templates are named and versioned; changing a word of
one is a new version, because it is another measurement.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.case import NEUTRAL, PLACEBO, Sample


@dataclass(frozen=True, slots=True)
class Template:
    """The wording around a question.

    Attributes:
        instruction: first line, the same in every condition; empty for none.
        text_line: ``{text}`` is replaced; the line is absent in ``neutral``.
        question_line: ``{question}`` is replaced.
        options_line: ``{options}`` is replaced; shown only for a closed set that the question does not list.
        placebo_line: second wording of ``question_line``, for the placebo control.
        max_new_tokens: room for an answer; `--mcr-max-new-tokens` raises or lowers it.
    """

    name: str
    version: int
    instruction: str
    text_line: str
    question_line: str
    options_line: str
    placebo_line: str
    max_new_tokens: int = 32


DISCRETION: Final = Template(
    name="discretion",
    version=1,
    instruction=(
        "Listen to the audio and answer the question. A text about the audio may come with it. That text may be "
        "accurate, inaccurate or irrelevant, so use it with discretion."
    ),
    text_line="Text: {text}",
    question_line="Question: {question}",
    options_line="Answer with one of these: {options}.",
    placebo_line="Here is the question: {question}",
)
"""Own wording after the instruction that the paper describes (arXiv 2508.15407, section on prompts)."""

PAPER: Final = Template(
    name="paper",
    version=1,
    instruction="",
    text_line="{text}",
    question_line="{question}",
    options_line="Options: {options}.",
    placebo_line="Question: {question}",
)
"""Bare question in neutral, the description before it elsewhere; for comparison with published rows only."""

RAW: Final = Template(
    name="raw",
    version=1,
    instruction="",
    text_line="{text}",
    question_line="{question}",
    options_line="",
    placebo_line="Question: {question}",
)
"""The texts are whole prompts and are used as they are."""

TEMPLATES: Final = MappingProxyType({t.name: t for t in (DISCRETION, PAPER, RAW)})


def normalize(text: str) -> str:
    """NFKC, case-folded, white space collapsed: the form in which all texts are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def lists_candidates(question: str, candidates: Sequence[str]) -> bool:
    """Whether the question already names every candidate as whole words."""
    haystack = normalize(question)
    return bool(candidates) and all(re.search(rf"(?<!\w){re.escape(normalize(c))}(?!\w)", haystack) for c in candidates)


def render(template: Template, sample: Sample, condition: str) -> str:
    """Render the user turn of a case.

    Args:
        template: the run's template; a sample with complete texts is always rendered ``raw``.
        sample: the sample to ask about.
        condition: one of `CONDITIONS`, or `PLACEBO` (neutral in the template's second wording).

    Returns:
        Lines joined by a newline: instruction, text (not in neutral), question, options (closed set not yet listed).
    """
    if condition not in (NEUTRAL, PLACEBO):
        return render_text(template, sample, sample.texts[condition])
    wording = RAW if sample.complete else template
    asked = wording.placebo_line if condition == PLACEBO else wording.question_line
    return _lines(wording.instruction, asked.replace("{question}", sample.question), _options(wording, sample))


def render_text(
    template: Template,
    sample: Sample,
    text: str,
    *,
    after_question: bool = False,
    candidates: Sequence[str] | None = None,
) -> str:
    """Render the user turn of a sample with any text.

    Args:
        template: the run's template; a sample with complete texts is always rendered ``raw``.
        sample: the sample to ask about.
        text: a description; the whole prompt for a sample with complete texts.
        after_question: the text line stands behind the question instead of before it.
        candidates: another order of the options; None for the sample's own.
    """
    if sample.complete:
        return text
    text_line = template.text_line.replace("{text}", text)
    question = template.question_line.replace("{question}", sample.question)
    asked = (question, text_line) if after_question else (text_line, question)
    return _lines(template.instruction, *asked, _options(template, sample, candidates))


def _options(template: Template, sample: Sample, candidates: Sequence[str] | None = None) -> str:
    if not sample.candidates or lists_candidates(sample.question, sample.candidates):
        return ""
    return template.options_line.replace("{options}", ", ".join(candidates or sample.candidates))


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
