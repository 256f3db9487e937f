"""The part of a model's output that is its answer: after the thinking, inside the tags, without the prompt."""

from __future__ import annotations

import re
from typing import Final

from pytest_mcr.core.prompts import normalize

_TAGS: Final = "think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad"
_THOUGHT_END: Final = re.compile(rf"</\s*(?:{_TAGS})\s*>", re.I)
_THOUGHT: Final = re.compile(rf"<\s*(?:{_TAGS})\s*>", re.I)
_TURN: Final = re.compile(r"<\|im_start\|>\s*assistant|<\|assistant\|>|<start_of_turn>\s*model|\[/INST\]", re.I)
_END: Final = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end|end_of_text|eos|return)\|>|</s>|<eos>|<end_of_turn>|<\|im_start\|>", re.I
)
_SPECIAL: Final = re.compile(r"<\|[^|<>\n]{0,40}\|>|</?(?:s|bos|pad|unk|answer|response|final)>|\[/?INST\]", re.I)
_TAGGED: Final = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.S | re.I)
_BOXED: Final = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_LATEX: Final = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_FENCE: Final = re.compile(r"```[a-z]*\s*\n?|```", re.I)
_KEYS: Final = (
    r"(?:final[_ ]?)?answer",
    r"label|prediction|emotion|sound|class|category|option|choice|response|result|output|event|classification",
)
_FIELDS: Final = tuple(
    re.compile(rf"""["'](?:{keys})["']\s*:\s*(?:"((?:[^"\\\n]|\\.)*)|'([^'\n]*)|([^\s"',}}\]\[{{]+))""", re.I)
    for keys in _KEYS
)
_NEXT_TURN: Final = re.compile(r"\n\s*(?:#+\s*)?(?:question|q|user|human)\s*:", re.I)
_OPENING: Final = re.compile(r"\s*(?:#+\s*)?(?:question|q|user|human|text|prompt|options|instruction)\s*:", re.I)


def final_reply(text: str, prompt: str = "") -> str:
    r"""Cut a model's output down to what it gives as its answer.

    Dropped: thinking, control tokens, a repeated prompt, a further turn that the model invented. Kept alone where
    present: the last ``<answer>`` or ``\boxed{}``, or the answer field of a JSON object. Empty when nothing is left.
    """
    if "<" in text or "[/INST]" in text:
        text = _after_thinking(text)
        text = _SPECIAL.sub("\n", _tagged(_own_turn(text)))
    if "\\" in text:
        boxes = _BOXED.findall(text)
        text = _LATEX.sub(r"\1", boxes[-1] if boxes else text)
    if "```" in text:
        text = _FENCE.sub("\n", text)
    if "{" in text:
        text = _field(text)
    text = _without_echo(text, prompt) if prompt and len(text) > 15 else text
    return _first_turn(text) if "\n" in text else text


def _after_thinking(text: str) -> str:
    ends = list(_THOUGHT_END.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    opened = _THOUGHT.search(text)
    return text[: opened.start()] if opened else text


def _own_turn(text: str) -> str:
    text = _TURN.split(text)[-1]
    for part in _END.split(text):
        if part.strip():
            return part
    return ""


def _tagged(text: str) -> str:
    found = _TAGGED.findall(text)
    return str(found[-1]) if found else text


def _field(text: str) -> str:
    """The answer field of a JSON object, malformed or cut off as it may be; nothing for an object without one."""
    for pattern in _FIELDS:
        values = ["".join(groups) for groups in pattern.findall(text)]
        if values:
            return " / ".join(dict.fromkeys(values))
    return "" if text.lstrip().startswith(("{", "[")) and ":" in text else text


def _without_echo(text: str, prompt: str) -> str:
    text = text.lstrip()
    if len(text) >= len(prompt) and normalize(text).startswith(normalize(prompt)):
        pattern = r"\s+".join(re.escape(word) for word in prompt.split())
        repeated = re.match(pattern, text, re.I)
        text = text[repeated.end() :] if repeated else text
    asked = {line for line in map(normalize, prompt.splitlines()) if line.count(" ") > 2}
    lines = text.splitlines()
    own = [line for line in lines if normalize(line) not in asked]
    # One repeated line alone may be the answer: a description that the model took over.
    return "\n".join(own) if own or len(lines) > 1 else text


def _first_turn(text: str) -> str:
    text = text.strip()
    cut = _NEXT_TURN.search(text)
    return text[: cut.start()] if cut and not _OPENING.match(text) else text
