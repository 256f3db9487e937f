"""What each label is called: the words that training uses, and apart from them words that it never sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Frames = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """The names of one label: each slot's words, those used in training and, apart, those never used there."""

    seen: Mapping[str, Frames]
    unseen: Mapping[str, Frames]


def _manner(seen_adj: str, seen_noun: str, unseen_adj: str, unseen_noun: str) -> Words:
    return Words(
        MappingProxyType({"adj": tuple(seen_adj.split()), "noun": tuple(seen_noun.split())}),
        MappingProxyType({"adj": (unseen_adj,), "noun": (unseen_noun,)}),
    )


def _sound(act: str, doing: str, unseen_act: str, unseen_doing: str) -> Words:
    return Words(
        MappingProxyType({"act": tuple(act.split("/")), "doing": tuple(doing.split("/"))}),
        MappingProxyType({"act": (unseen_act,), "doing": (unseen_doing,)}),
    )


def _event(names: str, doing: str, does: str, unseen: str) -> Words:
    bare = tuple(names.split("/"))
    return Words(
        MappingProxyType({"bare": bare, "doing": tuple(doing.split("/")), "does": tuple(does.split("/"))}),
        MappingProxyType({"bare": (unseen,), "doing": tuple(doing.split("/")), "does": tuple(does.split("/"))}),
    )


WORDS: Final[Mapping[str, Mapping[str, Words]]] = MappingProxyType(
    {
        "AQA": {
            "bell": _event("bell", "ringing", "rings/is ringing", "chime"),
            "bird": _event("bird/songbird", "singing/chirping", "sings/chirps/is singing", "warbler"),
            "drum": _event("drum", "beating", "beats/is beating", "tom-tom"),
            "engine": _event("engine/motor", "running/humming", "runs/hums/is running", "generator"),
            "siren": _event("siren/emergency siren", "wailing", "wails/is wailing", "alarm horn"),
            "wind": _event("wind/strong wind", "blowing", "blows/is blowing", "breeze"),
        },
        "SER": {
            "angry": _manner("angry furious enraged", "anger fury rage", "livid", "wrath"),
            "calm": _manner("calm relaxed peaceful", "calm calmness", "serene", "serenity"),
            "fearful": _manner("fearful afraid scared", "fear", "terrified", "terror"),
            "happy": _manner("happy joyful cheerful", "happiness joy", "delighted", "delight"),
            "sad": _manner("sad sorrowful gloomy", "sadness sorrow", "miserable", "misery"),
        },
        "VSC": {
            "Cough": _sound("a cough/a loud cough", "coughing", "a hacking bark", "hacking"),
            "Laughter": _sound("laughter/a laugh/a chuckle", "laughing/chuckling", "a cackle", "cackling"),
            "Sigh": _sound("a sigh/a deep sigh", "sighing", "a weary outbreath", "breathing out wearily"),
            "Sneeze": _sound("a sneeze/a sudden sneeze", "sneezing", "an achoo", "going achoo"),
            "Sniff": _sound("a sniff/a sniffle", "sniffing/sniffling", "a snuffle", "snuffling"),
            "Throat clearing": _sound(
                "throat clearing/a cleared throat", "clearing the throat", "a harrumph", "harrumphing"
            ),
        },
    }
)
"""By task and by label (AQA: by event)."""

NO_ARTICLE: Final = frozenset({"wind", "strong wind"})
