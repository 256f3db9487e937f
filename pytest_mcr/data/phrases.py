"""Phrase banks of the synthetic benchmark: questions, descriptions and unrelated remarks, each in two halves.

`TRAIN` frames make the lab model's training corpus; `TEST` frames make the mini benchmark and the held-out set and
occur nowhere in training. Slots: ``{adj}`` ``{noun}`` ``{a_adj}`` for a manner of speaking, ``{act}``
``{doing}`` for a vocal sound, ``{a}`` ``{bare}`` ``{doing}`` ``{does}`` for an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Frames = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bank:
    """The frames of one task in one half.

    Attributes:
        questions: a question that lists its own answers counts as listing them.
        asserting: the label holds (AQA: the event occurs).
        denying: AQA only, the event does not occur.
        contrasting: AQA only, another event ``{other}`` occurs and the event does not.
    """

    questions: Frames
    asserting: Frames
    denying: Frames = ()
    contrasting: Frames = ()


TRAIN: Final[Mapping[str, Bank]] = MappingProxyType(
    {
        "AQA": Bank(
            questions=(
                "Is there {a} in this recording?",
                "Is there {a} {doing} in this recording? Answer yes or no.",
                "Can you hear {a} {doing}?",
                "Can you hear {a}? Answer yes or no.",
                "Does the clip contain the sound of {a}?",
                "Does the recording contain {a} {doing}?",
                "Is {a} {doing} in the audio?",
                "Is {a} heard in this clip? Answer yes or no.",
                "Do you hear the sound of {a} {doing}?",
                "Is the sound of {a} part of the audio?",
                "Would you say that {a} {does} in this audio?",
                "Tell me, is there {a} {doing}?",
            ),
            asserting=(
                "There is {a} in it.",
                "There is {a} {doing}.",
                "{A} {does}.",
                "{A} {does} in the background.",
                "You can hear {a}.",
                "You can hear {a} {doing} all the time.",
                "The sound of {a} is clear.",
                "One of the sounds is {a} {doing}.",
                "Somewhere {a} {does}.",
                "What is heard is {a}.",
                "It contains {a} {doing}.",
                "The sound comes from {a}.",
                "{A} is easy to make out.",
                "A listener will notice {a} {doing}.",
                "It was made while {a} was {doing}.",
                "{A} is present.",
                "Among other things {a} {does}.",
                "The microphone picked up {a}.",
            ),
            denying=(
                "There is no {bare} in it.",
                "There is no {bare} {doing}.",
                "No {bare} {does}.",
                "You cannot hear {a}.",
                "No {bare} can be heard.",
                "The sound of {a} is missing.",
                "It does not contain {a}.",
                "It was made without {a}.",
                "Nobody will notice {a} {doing}, for there is none.",
                "{A} is not present.",
                "Nothing in it is {a}.",
                "There isn't any {bare} at all.",
                "At no time {a} {does}.",
                "Not one of the sounds is {a}.",
                "{A} is absent.",
                "The microphone picked up no {bare}.",
            ),
            contrasting=(
                "There is only {other}, no {bare}.",
                "There is {other}, but no {bare}.",
                "It is {other} and not {a}.",
                "No {bare} is there, only {other}.",
                "You can hear {other}, not {a}.",
                "What sounds there is {other} and no {bare}.",
            ),
        ),
        "SER": Bank(
            questions=(
                "What emotion does the speaker express?",
                "Which emotion is in the voice?",
                "How does the speaker feel?",
                "How does the person sound?",
                "What is the emotion of the speaker in this recording?",
                "Which emotion do you hear?",
                "What does the voice express?",
                "What is the mood of the speaker?",
                "How would you name the emotion in this clip?",
                "In which mood is the person speaking?",
            ),
            asserting=(
                "The speaker sounds {adj}.",
                "{A_adj} voice is speaking.",
                "The voice is full of {noun}.",
                "You can hear {noun} in the voice.",
                "Somebody talks in {a_adj} tone.",
                "The person talking seems {adj}.",
                "The tone of the speech is {adj}.",
                "The words are spoken with {noun}.",
                "This is how {a_adj} person speaks.",
                "From the first word on the speaker is {adj}.",
                "The way of speaking shows {noun}.",
                "There is clear {noun} in this speech.",
                "The emotion in the voice is {noun}.",
                "The talker comes across as {adj}.",
                "It is the speech of someone who feels {adj}.",
                "What the voice carries is {noun}.",
                "The mood of the speaker is {adj}.",
                "A person speaks and the feeling is {noun}.",
                "Someone feels {adj} here.",
                "A very {adj} person is talking.",
            ),
        ),
        "VSC": Bank(
            questions=(
                "Which vocal sound is this?",
                "What vocal sound do you hear?",
                "What does the person do?",
                "Which sound does the person make?",
                "What kind of vocal sound is in the recording?",
                "Which of these sounds is heard?",
                "What is the sound in this clip?",
                "Name the vocal sound of the person.",
                "What sound comes from the person in this recording?",
                "How would you name this vocal sound?",
            ),
            asserting=(
                "Somebody is {doing}.",
                "It is {act}.",
                "You can hear {act}.",
                "A person is {doing}.",
                "The sound is {act}.",
                "The clip contains {act}.",
                "This is the sound of somebody {doing}.",
                "Someone keeps {doing}.",
                "What you hear is {act}.",
                "A man or a woman is {doing}.",
                "One person is heard {doing}.",
                "There is {act} in it.",
                "The person in question is {doing}.",
                "{Act} is all that is heard.",
                "It comes from a person {doing}.",
                "The recording is of {act}.",
                "Here somebody started {doing}.",
                "The vocal sound is {act}.",
                "The voice makes {act}.",
                "Clearly, that is {act}.",
            ),
        ),
    }
)

TEST: Final[Mapping[str, Bank]] = MappingProxyType(
    {
        "AQA": Bank(
            questions=(
                "Is {a} {doing} in this recording?",
                "Can {a} be heard in the clip? Answer yes or no.",
                "Does this audio contain {a}?",
                "Do you hear {a} {doing} in the recording?",
                "Is the sound of {a} {doing} in this clip? Answer yes or no.",
            ),
            asserting=(
                "{A} can be heard {doing}.",
                "In it {a} {does} in the background.",
                "The sound of {a} {doing} is part of it.",
                "A person will notice that {a} {does}.",
                "Here you hear {a} {doing}.",
                "What the microphone picked up is {a}.",
            ),
            denying=(
                "{A} cannot be heard.",
                "There is no sound of {a} {doing}.",
                "Nothing in it sounds like {a}.",
                "It has no {bare} {doing} in the background.",
                "You will not hear {a}.",
            ),
            contrasting=(
                "No {bare} can be heard, only {other}.",
                "There is no sound of {a}; it is {other}.",
                "It contains {other} and no {bare}.",
            ),
        ),
        "SER": Bank(
            questions=(
                "What emotion is in the voice of the speaker?",
                "Which emotion does the person express?",
                "How does the speaker in this clip sound?",
                "What emotion do you hear in the recording?",
            ),
            asserting=(
                "The person in the recording speaks with {noun}.",
                "Listening to the voice you notice {noun}.",
                "The speech has {a_adj} tone from the first word on.",
                "Whoever is talking sounds very {adj}.",
                "It is {a_adj} voice that says these words.",
                "The mood of the person speaking is {adj}.",
                "In the clip someone feels {adj} while talking.",
                "The feeling in the words is {noun}.",
            ),
        ),
        "VSC": Bank(
            questions=(
                "Which vocal sound does the person make?",
                "What sound do you hear in this recording?",
                "What kind of sound is in the clip?",
                "Which vocal sound is heard here?",
            ),
            asserting=(
                "A person can be heard {doing}.",
                "All that you hear is {act}.",
                "The recording has somebody {doing} in it.",
                "It sounds like {act}.",
                "In the clip a person starts {doing}.",
                "The sound of {act} is clear.",
                "A woman is heard {doing}.",
                "What the person makes is {act}.",
            ),
        ),
    }
)
