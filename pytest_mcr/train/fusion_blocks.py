"""Four ways in which text and audio meet in a layer, alike in everything else.

Each block takes the text's states ``x`` (rows, tokens, width) and the audio's ``a`` (rows, 1 + frames, width), the
first of which is a learned "no audio", and gives both back. Text never looks ahead; audio looks at the question, never
at the answer. One layer is (norm, meeting, norm, MLP) with residuals, for every fusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

Fusion = Literal["concat", "cross", "twoway", "gated"]
FUSIONS: Final[tuple[Fusion, ...]] = get_args(Fusion)
WORDS: Final = {
    "concat": "concatenation, self-attention",
    "cross": "text queries audio, cross-attention",
    "twoway": "symmetric two-way cross-attention, balanced",
    "gated": "gated by a learned conflict signal",
}
HEADS: Final = 4
CONFLICT_WIDTH: Final = 16
"""Hidden units of the conflict signal."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Who may look at what; True where it may, broadcast over heads.

    Attributes:
        audio: (rows, 1, 1, 1 + frames), the audio that is there.
        question: (rows, 1, 1, tokens), the text before the answer.
        joint: (rows, 1, all, all) over audio then text, what came before and is there.
    """

    audio: Tensor
    question: Tensor
    joint: Tensor


class Attention(nn.Module):
    """Multi-head attention of queries over keys of the same width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, keys: Tensor, seen: Tensor | None) -> Tensor:
        """Attend.

        Args:
            x: (rows, queries, width).
            keys: (rows, keys, width).
            seen: mask as in `Sight`; None for what came before among ``x`` itself.
        """
        key, value = self.key_value(keys).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query(x), key, value))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None)
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result


class Mlp(nn.Module):
    """Norm, two linear layers with GELU, residual."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """``x + MLP(norm(x))``."""
        added: Tensor = self.down(functional.gelu(self.up(self.norm(x))))
        return x + added


class Concat(nn.Module):
    """Audio before text in one sequence, as in today's audio-language models: attention decides how much of each."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.attention, self.mlp = nn.RMSNorm(width), Attention(width), Mlp(width, hidden)

    def forward(self, x: Tensor, a: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
        """One layer over both."""
        both = torch.cat([a, x], dim=1)
        normed = self.norm(both)
        both = self.mlp(both + self.attention(normed, normed, sight.joint))
        return both[:, a.shape[1] :], both[:, : a.shape[1]]


class Cross(nn.Module):
    """Text attends to text and then asks the audio, which stays as it was heard."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.RMSNorm(width), Attention(width)
        self.cross_norm, self.cross = nn.RMSNorm(width), Attention(width)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor, a: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
        """One layer over the text."""
        normed = self.norm(x)
        x = x + self.attention(normed, normed, None)
        x = x + self.cross(self.cross_norm(x), a, sight.audio)
        return self.mlp(x), a


class TwoWay(nn.Module):
    """Text and audio each take half of what they learn from themselves and half from the other.

    The same weights serve both sides and both directions, so that neither has the larger budget.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.own, self.other, self.mlp = (
            nn.RMSNorm(width), Attention(width), Attention(width), Mlp(width, hidden),
        )  # fmt: skip

    def forward(self, x: Tensor, a: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
        """One layer over each, both from what they were before."""
        text, audio = self.norm(x), self.norm(a)
        x = x + (self.own(text, text, None) + self.other(text, audio, sight.audio)) / 2
        a = a + (self.own(audio, audio, sight.audio) + self.other(audio, text, sight.question)) / 2
        return self.mlp(x), self.mlp(a)


class Gated(nn.Module):
    """A gate between what the audio says and what the text says, which knows how far they conflict.

    ``g h_A + (1 - g) h_T`` with ``g = sigmoid(w . [h_A; h_T; |h_A - h_T|; c])``; ``c`` is a small network on the same.

    Attributes:
        gate: ``g`` of the last call, (rows, tokens).
        conflict: ``c`` of the last call, (rows, tokens), a logit where it was trained as one.
    """

    gate: Tensor
    conflict: Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.text, self.audio = nn.RMSNorm(width), Attention(width), Attention(width)
        self.signal = nn.Sequential(nn.Linear(3 * width, CONFLICT_WIDTH), nn.GELU(), nn.Linear(CONFLICT_WIDTH, 1))
        self.weigh = nn.Linear(3 * width + 1, 1)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor, a: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
        """One layer over the text."""
        normed = self.norm(x)
        text, audio = self.text(normed, normed, None), self.audio(normed, a, sight.audio)
        told = torch.cat([audio, text, (audio - text).abs()], dim=-1)
        conflict = self.signal(told)
        gate = torch.sigmoid(self.weigh(torch.cat([told, conflict], dim=-1)))
        self.gate, self.conflict = gate[..., 0], conflict[..., 0]
        return self.mlp(x + gate * audio + (1 - gate) * text), a


BLOCKS: Final = {"concat": Concat, "cross": Cross, "twoway": TwoWay, "gated": Gated}
