"""Candidates' log-probabilities from a server that returns those of its prompt's tokens (vLLM); else none.

A candidate is given as the finished assistant turn. The server's ids of that prompt must begin with the ids of the
question's own prompt and end as every turn ends; what lies between are the label's tokens and the end-of-turn token,
whose log-probabilities are summed. OpenAI's ``top_logprobs`` cannot give this: it shows the likeliest tokens of one
answer, never a given label's, and not the end of turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.models.endpoint_reply import Reply

WITH_IDS: Final[Mapping[str, object]] = {"return_token_ids": True}
"""Asks for the ids of prompt and answer."""
WITH_LOGPROBS: Final[Mapping[str, object]] = {**WITH_IDS, "logprobs": True, "top_logprobs": 1}
"""Asks for the log-probabilities of the answer's tokens as well."""
OF_LABEL: Final[Mapping[str, object]] = {**WITH_IDS, "add_generation_prompt": False, "prompt_logprobs": 1}
"""Asks for the log-probabilities of the prompt's tokens, a prompt that ends with the label."""
AGREE: Final = 0.25
"""Nats by which a token's log-probability may differ between writing it and reading it: 16-bit kernels differ."""


class ScoresError(Exception):
    """The server does not give what a score is made of."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a turn ends, as the server's own answer showed at load.

    Attributes:
        end: id of the end-of-turn token.
        trailer: ids that the chat template writes after it.
    """

    end: int
    trailer: tuple[int, ...]

    def score(self, question: Reply, label: Reply) -> float:
        """Sum of log p in nats over the label's tokens and the end-of-turn token.

        Args:
            question: the reply to the question, asked `WITH_IDS`.
            label: the reply to the same with the label as assistant turn, asked `OF_LABEL`.

        Raises:
            ScoresError: the label's prompt does not continue the question's, or a number is missing.
        """
        return math.fsum(self._log_probabilities(question, label))

    def length(self, question: Reply, label: Reply) -> int:
        """Tokens that the label's score is summed over, the end-of-turn token among them."""
        return len(self._log_probabilities(question, label))

    def _log_probabilities(self, question: Reply, label: Reply) -> list[float]:
        asked, whole = _ids(question.body.get("prompt_token_ids")), _ids(label.body.get("prompt_token_ids"))
        stop = len(whole) - len(self.trailer)
        own = whole[len(asked) : stop]
        if whole[: len(asked)] != asked or tuple(whole[stop:]) != self.trailer:
            raise ScoresError("the chat template renders a given answer otherwise than one that the model writes")
        if len(own) < 2 or own[-1] != self.end or self.end in own[:-1]:
            raise ScoresError("the label's tokens do not end in one end-of-turn token")
        rows = label.body.get("prompt_logprobs")
        if not isinstance(rows, list) or len(rows) != len(whole):
            raise ScoresError("no prompt_logprobs for every token of the prompt")
        return [_number(rows[place], whole[place]) for place in range(len(asked), stop)]


def learn(question: Reply, label: Reply) -> Scoring:
    """Find out how a turn ends, and prove that reading an answer gives the log-probabilities of writing it.

    Args:
        question: the reply to a question, asked `WITH_LOGPROBS`.
        label: the reply to the same with that very answer as assistant turn, asked `OF_LABEL`.

    Raises:
        ScoresError: it is not so; one line says why.
    """
    written = _ids(question.choice.get("token_ids"))
    if question.finish != "stop":
        raise ScoresError("its answer at load did not end by itself, so the end-of-turn token is not known")
    if len(written) < 2:
        raise ScoresError("its answer at load was empty, so nothing can be compared")
    begin = len(_ids(question.body.get("prompt_token_ids")))
    whole = _ids(label.body.get("prompt_token_ids"))
    if whole[begin : begin + len(written)] != written:
        raise ScoresError("the chat template renders a given answer otherwise than one that the model writes")
    scoring = Scoring(written[-1], tuple(whole[begin + len(written) :]))
    read = scoring._log_probabilities(question, label)
    wrote = _written(question.choice)
    if len(wrote) != len(written):
        raise ScoresError("no logprobs for every token of the answer")
    apart = max(abs(one - other) for one, other in zip(wrote, read, strict=True))
    if apart > AGREE:
        raise ScoresError(f"prompt_logprobs and logprobs of the same tokens differ by {apart:.2g} nats")
    return scoring


def _ids(value: object) -> list[int]:
    if not isinstance(value, list) or not value or not all(type(one) is int for one in value):
        raise ScoresError("no token ids (return_token_ids)")
    return value


def _written(choice: Mapping[str, Any]) -> Sequence[float]:
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        raise ScoresError("no logprobs of the answer's tokens")
    return [_finite(token.get("logprob") if isinstance(token, dict) else None) for token in content]


def _number(row: object, token: int) -> float:
    entry = row.get(str(token)) if isinstance(row, dict) else None
    return _finite(entry.get("logprob") if isinstance(entry, dict) else None)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e6 <= value <= 1e-3:
        raise ScoresError(f"a log-probability is {value!r}; expected a finite number not above 0")
    return float(value)
