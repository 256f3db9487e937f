"""Which token of a prompt belongs to what, read off the tokens alone: no family has a rule of its own here.

The prompt with the text line and the prompt without it differ in the tokens of the text line; the prompt and a bare
one in the same chat template differ in the user's words. Audio is where its placeholders are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spans:
    """Positions of a prompt's tokens, each in exactly one of the groups, in ascending order.

    Attributes:
        sink: the first token, and control tokens: attention gathers there whatever they say.
        template: other tokens of the chat template, and the instruction (SYS).
        audio: placeholders of audio embeddings (A).
        text: the text line (T); empty for a prompt without one.
        question: the question, its options, and what is forced after the prompt (Q).
        last: the position that predicts the answer (q).
        exact: the tokens without ``text`` are those of the prompt without the text line.
    """

    sink: tuple[int, ...]
    template: tuple[int, ...]
    audio: tuple[int, ...]
    text: tuple[int, ...]
    question: tuple[int, ...]
    last: int
    exact: bool

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return self.last + 1


def spans(
    joint: Sequence[int], alone: Sequence[int], bare: Sequence[int], *, audio: int, control: Collection[int]
) -> Spans:
    """Positions of the prompt with the text line.

    Args:
        joint: token ids of the prompt with the text line, two or more.
        alone: of the prompt without it.
        bare: of any other short prompt about the same clip, in the same chat template.
        audio: id of the placeholder of one audio embedding.
        control: ids of control tokens.

    Raises:
        ValueError: fewer than two tokens.
    """
    if len(joint) < 2:
        raise ValueError(f"a prompt of {len(joint)} tokens has no parts; expected two or more")
    last = len(joint) - 1
    start, stop = _inserted(joint, alone)
    opens, closes = _inserted(joint, bare)
    sink, template, heard, text, question = [0], [], [], [], []
    for place in range(1, last):
        if joint[place] == audio:
            heard.append(place)
        elif joint[place] in control:
            sink.append(place)
        elif start <= place < stop:
            text.append(place)
        elif place < stop or not opens <= place < closes:
            template.append(place)
        else:
            question.append(place)
    exact = [*joint[:start], *joint[stop:]] == list(alone) and text == list(range(start, stop))
    return Spans(tuple(sink), tuple(template), tuple(heard), tuple(text), tuple(question), last, exact)


def _inserted(longer: Sequence[int], shorter: Sequence[int]) -> tuple[int, int]:
    """Where one sequence has tokens that the other lacks: their common beginning and end are as long as can be."""
    most = min(len(longer), len(shorter))
    start = next((at for at in range(most) if longer[at] != shorter[at]), most)
    tail = next((at for at in range(most - start) if longer[-1 - at] != shorter[-1 - at]), most - start)
    return start, len(longer) - tail
