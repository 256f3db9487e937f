"""Unrelated remarks, openers and closers: words around a description, or instead of one.

No frame names a label, an event, a manner of speaking or a vocal sound. As in `phrases`, the two halves share no frame;
the test half has fillers of its own as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Frames = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remarks:
    """One half of the bank.

    Attributes:
        openers: put before a description; the empty one is the most frequent.
        closers: put after a description.
        frames: whole sentences with the slots of `fillers`.
        fillers: words by slot.
    """

    openers: Frames
    closers: Frames
    frames: Frames
    fillers: Mapping[str, Frames]


TRAIN_REMARKS: Final = Remarks(
    openers=(
        "In this clip: ",
        "In short: ",
        "Here is a note. ",
        "Throughout the recording: ",
        "A listener writes: ",
        "The notes say this. ",
        "Description: ",
        "About the audio: ",
    ),
    closers=(
        " The recording is short.",
        " There is some echo in the room.",
        " It was made with one microphone.",
        " That is all.",
        " The file is a few seconds long.",
        " It was made in the morning.",
        " The level is even.",
        " It was saved on a Monday.",
    ),
    frames=(
        "The {place} opens at {hour} on {day}.",
        "The {place} is closed on {day}.",
        "A ticket to the {place} costs {number} coins.",
        "{name} bought {number} {thing} at the {place}.",
        "{name} has lived near the {place} for {number} years.",
        "The {thing} in the {place} are {colour}.",
        "Most {thing} are made of {matter}.",
        "You need {number} {thing} and a little {matter} for this recipe.",
        "The train to {town} leaves at {hour}.",
        "{town} lies {number} miles from {town}.",
        "{name} paints the fence {colour} every year.",
        "Please put the {thing} back into the {colour} box.",
        "The {colour} {thing} belong to {name}.",
        "On {day} the library lends {number} {thing} at a time.",
        "The table has {number} legs and is made of {matter}.",
        "A box of {thing} weighs about {number} pounds.",
        "{name} wrote a book about the history of {matter}.",
        "The museum in {town} shows {number} old {thing}.",
        "{matter} is cheaper in {town} than at the {place}.",
        "There are {number} {thing} on the shelf of the {place}.",
        "The road between {town} and {town} was mended on {day}.",
        "Last {day} {name} planted {number} trees behind the {place}.",
        "My {thing} are {colour}, and yours are {colour}.",
        "The meeting about the {place} was moved to {day} at {hour}.",
        "It takes {number} minutes to walk from the {place} to the river.",
        "In {town} people eat {thing} with {matter}.",
        "{name} and {name} share a flat above the {place}.",
        "The map of {town} has {number} pages.",
        "Wash the {colour} {thing} with cold water.",
        "Our bill for the {thing} was paid on {day}.",
    ),
    fillers=MappingProxyType(
        {
            "place": ("museum", "bakery", "garden", "library", "station", "market", "office", "school", "harbour",
                      "hotel", "bank", "castle", "farm", "kitchen", "stadium", "church", "bridge", "pharmacy"),
            "thing": ("books", "apples", "chairs", "lamps", "stamps", "shoes", "plates", "potatoes", "pencils",
                      "bricks", "coats", "maps", "carrots", "bottles", "baskets", "buttons", "spoons", "tomatoes"),
            "matter": ("wood", "flour", "sugar", "cotton", "glass", "butter", "paper", "stone", "copper", "rice",
                       "wool", "salt", "honey", "clay"),
            "colour": ("red", "blue", "green", "yellow", "brown", "white", "black", "grey", "orange", "purple"),
            "number": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "twelve", "twenty", "forty"),
            "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Sunday"),
            "hour": ("eight", "nine", "half past ten", "noon", "six in the evening", "a quarter to seven"),
            "name": ("Anna", "Peter", "Maria", "John", "Laura", "David", "Sofia", "Paul", "Nina", "Oscar", "Ruth"),
            "town": ("Oslo", "Lisbon", "Vienna", "Prague", "Dublin", "Bern", "Porto", "Ghent", "Turin", "Leeds"),
        }
    ),
)  # fmt: skip

TEST_REMARKS: Final = Remarks(
    openers=("In this recording: ", "A note on the clip. ", "To sum up: "),
    closers=(" The clip lasts a few seconds.", " It was saved with one microphone.", " The room is small."),
    frames=(
        "{name} moved the {colour} {thing} to the {place} on {day}.",
        "The {place} of {town} was built of {matter}.",
        "{number} {thing} are left in the box near the {place}.",
        "On {day} {name} takes the bus to {town}.",
        "The price of {matter} went up in {town}.",
        "{name} keeps {matter} and {thing} in the {place}.",
        "The recipe asks for {number} spoons of {matter}.",
        "A walk around the {place} takes {number} hours.",
        "The {colour} house next to the {place} was sold in spring.",
        "Every {day} the {place} sells {thing} for {number} coins.",
    ),
    fillers=MappingProxyType(
        {
            "place": ("theatre", "market", "garage", "library", "lighthouse", "school", "cinema"),
            "thing": ("books", "pears", "chairs", "ladders", "stamps", "mirrors", "coats"),
            "matter": ("wood", "marble", "sugar", "leather", "paper", "cheese"),
            "colour": ("red", "blue", "pink", "green", "silver"),
            "number": ("two", "three", "five", "ten", "fifteen", "seven"),
            "day": ("Monday", "Saturday", "Thursday", "Friday"),
            "name": ("Anna", "Martin", "Laura", "Helen", "David", "Victor"),
            "town": ("Oslo", "Madrid", "Vienna", "Krakow", "Dublin", "Naples"),
        }
    ),
)
