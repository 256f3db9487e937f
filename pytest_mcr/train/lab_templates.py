"""Wordings of the prompt that serve in training alone, so that the lab model learns a task and not one sentence."""

from __future__ import annotations

from typing import Final

from pytest_mcr.core.prompts import Template

WORDINGS: Final = (
    Template(
        name="lab-short",
        version=1,
        instruction="Answer the question about the audio.",
        text_line="Text: {text}",
        question_line="Question: {question}",
        options_line="Answer with one of these: {options}.",
        placebo_line="Here is the question: {question}",
    ),
    Template(
        name="lab-note",
        version=1,
        instruction="Listen to the audio. A note may come with it; use it with discretion.",
        text_line="Note: {text}",
        question_line="Question: {question}",
        options_line="Options: {options}.",
        placebo_line="The question is: {question}",
    ),
    Template(
        name="lab-polite",
        version=1,
        instruction="Please listen and then answer. There may be a text about the audio.",
        text_line="The text: {text}",
        question_line="The question: {question}",
        options_line="Please answer with one of: {options}.",
        placebo_line="Please answer: {question}",
    ),
    Template(
        name="lab-late",
        version=1,
        instruction="",
        text_line="A text about the audio: {text}",
        question_line="{question}",
        options_line="Choose one: {options}.",
        placebo_line="Now the question: {question}",
    ),
    Template(
        name="lab-care",
        version=1,
        instruction=(
            "An audio clip is given, maybe with a text. The text may be accurate, inaccurate or irrelevant. Answer the "
            "question."
        ),
        text_line="Description: {text}",
        question_line="Question: {question}",
        options_line="Possible answers: {options}.",
        placebo_line="Question about the audio: {question}",
    ),
)
