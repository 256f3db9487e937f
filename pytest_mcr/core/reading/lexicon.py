"""What a label is called: synonyms and inflections of the labels that audio benchmarks use, and of labels unknown here.

A *family* is one meaning, a *group* in it one word with its inflections. A family speaks for a candidate only when it
contains exactly one candidate of the closed set; two candidates of one family (``calm`` and ``neutral``) keep their own
words. A form that could stand for two candidates stands for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.reading.words import vocabulary

Form = tuple[str, ...]

_FAMILIES: Final = """
laughter, ~laugh, laugher, laughters | ~chuckle | ~giggle | ~cackle | ~guffaw | ~snicker
cough, ~cough, coughs | person cough, person coughing
sneeze, ~sneeze, achoo, atchoo | person sneeze, person sneezing
sigh, ~sigh
sniff, ~sniff | ~sniffle | ~snuffle
throat clearing, clearing throat, clearing of throat, clearing of the throat, throat clear, throat clears, throat
... cleared, clears throat, clears their throat, clears his throat, clears her throat, clears the throat, clears a
... throat, clears one 's throat, clear throat, clear their throat, cleared their throat, cleared his throat, cleared
... her throat, clearing their throat, clearing his throat, clearing her throat, clearing a throat, clearing the
... throat, clearing one 's throat, throat being cleared, throat is being cleared, throat is cleared, throatclearing,
... cleared throat | ~harrumph
angry, anger, angered, angrily | furious, fury, furiously | enraged, rage, outraged | irate | livid | wrath, wrathful
sad, sadness, sadly | sorrow, sorrowful, sorrowfully | mournful | grief, grieving | gloomy, gloom, gloomily | miserable,
... misery, miserably | melancholy, melancholic | dejected, dejection | despondent | heartbroken
happy, happiness, happily | joy, joyful, joyfully, joyous | cheerful, cheerfully, cheerfulness, cheery
... | delighted, delight | gleeful, glee | elated, elation | gladness
neutral, neutrally, neutrality, emotionless, unemotional, no emotion, without emotion | calm, calmly, calmness,
... relaxed, peaceful, peacefully, serene, serenity, tranquil
fear, fearful, fearfully, fears | afraid | scared | frightened | terrified, terror
disgust, disgusted, disgustedly | revulsion, revolted | repulsed
surprise, surprised, surprises, surprisedly | astonished, astonishment | amazed, amazement | startled
excited, excitement, excitedly
bored, boredom
frustrated, frustration
~bark | dog bark, barking dog, dog, dogs, dog barking, dog barks, dogs barking, dogs bark, dog barked, dog is
... barking, dogs are barking, barking from a dog, barking of a dog, bark of a dog, barks of a dog, dog 's bark, dog
... 's barking, barking dogs | ~woof
rain, rains, rained, raining, rainfall, raindrops, raindrop, rainy, rain falling, falling rain, rain is falling
sea waves, sea wave, ocean waves, ocean wave, waves, wave, surf, breaking waves, crashing waves, waves crashing,
... waves breaking, sea waves crashing, ocean waves crashing, sea, ocean
baby cry, baby crying, crying baby, baby cries, baby cried, baby is crying, babies crying, infant cry, infant
... crying, crying infant, infant cries, infant is crying, newborn crying, cry of a baby, cries of a baby, crying of a
... baby, crying of an infant, cry of an infant, cries of an infant, crying child, child crying, baby 's cry, baby 's
... crying, baby wailing | ~cry, weeping, ~sob
clock tick, clock ticking, ticking clock, clock ticks, clock is ticking, ticking of a clock, tick of a clock,
... ticks of a clock, ticking of the clock, clock 's ticking, tick, ticks, ticking, tick tock, ticktock, clock
helicopter, helicopters, chopper | rotor of a helicopter, helicopter rotor, helicopter rotors, helicopter blades
chainsaw, chainsaws, chain saw, chain saws
rooster, roosters, cockerel, rooster crow, rooster crowing, crowing rooster, rooster crows, rooster is crowing,
... cock a doodle doo, crow of a rooster, crowing of a rooster, call of a rooster, crowing, crows
fire crackling, crackling fire, fire crackles, fire crackle, fire is crackling, crackling of a fire, crackle of a
... fire, crackling flames, fire, campfire, bonfire, crackling, crackles, crackle, burning wood, burning fire, fire
... burning
cat meow, ~meow, cat meowing, cat meows, meowing cat, cat is meowing, meowing of a cat, cat, cats
car horn, car horns, honking car, ~honk, car honking, horn honking
siren, sirens
speech, speeches, ~speak, spoke, spoken, ~talk | speaking person, person speaking, person talking
music, musical
silence, silent
~clap, clapping hands, hand clapping, ~applaud, applause
~snore
~whisper
~scream
~breathe, breath, breaths
footsteps, footstep
door knock, door knocks, door knocking, knocking on a door, knocking on the door, knock on the door, knock on a
... door, knocks on the door, knocks on a door, ~knock
thunderstorm, thunderstorms, thunder, thunderclap
wind, winds, windy
~sing, sang, sung, singer
male, man, men | male voice, man 's voice
female, woman, women | female voice, woman 's voice
true
false
yes, yeah, yep, yup
no, nope, nah
"""
"""One family a line, groups separated by ``|``, forms by commas; ``~`` means every inflection; ``...`` continues."""

_NUMBERS: Final[tuple[str, ...]] = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip

_OTHER_SENSES: Final = """
woman crying, man crying, girl crying, boy crying, adult crying, person crying, someone crying, people crying
woman cries, man cries, person cries, woman is crying, man is crying, person is crying, someone is crying
girl is crying, crying woman, crying man, crying girl, crying person, cry for, far cry, crying out, child laughing
fire alarm, fire alarms, fire truck, fire engine, fire station, open fire, gun fire, fire extinguisher, fire works
fire department, fire fighter, fire drill, rain forest, rain coat, raining cats and dogs, cats and dogs, hot dog
hot dogs, alarm clock, clock alarm, clock chiming, clock chimes, clock striking, clock tower, clock radio, tick box
ticking off, dog whining, dog growling, dog howling, dog panting, dog whimpering, dog is whining, dog is growling
dog is howling, dog owner, dog days, tree bark, seal barking, fox barking, seal is barking, barking orders
barking seal, sea lion barking, sound waves, sound wave, radio waves, radio wave, heat wave, heat waves, brain waves
shock wave, shock waves, wave of, waves of, waves goodbye, waves at, sine wave, sine waves, square wave, wave form
sea lion, sea lions, sea gull, sea gulls, crows cawing, crow cawing, crows calling, crows are, knocking over
speaking of, wind up, wind down, wind instrument, cough up, cough syrup, cough drop, speech bubble
speech recognition, music video, dead silence, laughing stock, cat and mouse, big cat, big cats, copy cat, man made
no man, terror attack, screaming match, joy ride, joy stick
"""
"""Phrases in which a synonym means something else; a label spelled like this itself is not affected."""

_IDIOMS: Final = """
happy to, am happy, be happy to, happy with, happy medium, happy birthday, happy new year, am glad, am delighted
am afraid, afraid that, afraid i, afraid not, afraid so, i fear, no fear, fear not, for fear of, sad to say
am sad to, no surprise, surprise surprise, surprise me, am surprised, not surprised that, calm down, stay calm
neutral ground, true to, true for, true that, be true to, so to speak, generally speaking, strictly speaking
broadly speaking, no one, no ones, one of, this one, that one, the one, one can, one could, one would, one might
one may, any one, some one, every one, one 's, which one, other one, each one, one another, one thing
one possibility, one should, one must, one who, one cannot, one hears, one that, one moment, one second, one more
one person, one speaker, one option, number one, yes or no, yes / no, yes no, yes and no, yes - no, a yes
laughing matter, no laughing matter, sigh of relief
"""
"""Phrases in which even a label's own word does not name the label."""

_NOT_INFLECTIONS: Final = vocabulary(
    "trained training trains winding wound bearing caring planing planed horned meaning means meant phoned",
    "sounding sounded sounds even evening being bus busing belled sawing batting filed handing handed using used",
    "given said something nothing anything everything thing during hearing feel feeling feels like liking liked",
    "listing listed airing others likes ones others mays wills matching matched texting texted cared hens",
)
"""Words that a naive ending makes of a label but that mean something else (``train``: ``I was trained to``)."""


def inflections(word: str) -> tuple[str, ...]:
    """The word and its regular forms: plural or third person, ``-ing``, ``-ed``, and back from ``-ing`` or plural.

    Overgenerates nonsense that no text holds, but no word of `_NOT_INFLECTIONS`. Numbers, short words and words of
    other alphabets have only themselves.
    """
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return (word,)
    bases = [word]
    if word.endswith("ing") and len(word) > 5:
        stem = word[:-3]
        bases += [stem, stem + "e"] + ([stem[:-1]] if stem[-1] == stem[-2] else [])
    elif word.endswith("s") and len(word) > 4 and not word.endswith(("ss", "us", "is")):
        bases += (
            [word[:-1]]
            + ([word[:-2]] if word.endswith("es") else [])
            + ([word[:-3] + "y"] if word[-3:] == "ies" else [])
        )
    made = [form for base in bases for form in _endings(base)]
    return tuple(dict.fromkeys([word, *(f for f in made if f not in _NOT_INFLECTIONS)]))


def _endings(base: str) -> list[str]:
    if base.endswith("y") and len(base) > 2 and base[-2] not in "aeiou":
        return [base, base[:-1] + "ies", base[:-1] + "ied", base + "ing"]
    if base.endswith("e"):
        return [base, base + "s", base + "d", base[:-1] + "ing"]
    forms = [base, base + ("es" if base.endswith(("s", "x", "z", "ch", "sh")) else "s"), base + "ed", base + "ing"]
    if len(base) > 2 and base[-1] in "bdgklmnprt" and base[-2] in "aeiou" and base[-3] not in "aeiou":
        forms += [base + base[-1] + "ed", base + base[-1] + "ing"]
    return forms


def phrase_inflections(label: Form) -> tuple[Form, ...]:
    """Forms of a label that the table does not know: its last word inflected, ``dog is barking``, ``barking dog``."""
    if not label or len(label) > 4:
        return (label,)
    *head, last = label
    forms = [(*head, form) for form in inflections(last)]
    if len(label) == 2:
        running = [f for f in inflections(last) if f.endswith("ing")]
        forms += [(head[0], "is", f) for f in running] + [(f, head[0]) for f in running]
        forms += [(plural, last) for plural in inflections(head[0])[1:2]]
    return tuple(dict.fromkeys([label, *forms]))


def _parse(table: str) -> tuple[tuple[tuple[Form, ...], ...], ...]:
    lines = table.strip().replace("\n...", "").splitlines()
    return tuple(tuple(_group(group) for group in line.split("|")) for line in lines)


def _group(text: str) -> tuple[Form, ...]:
    forms: list[Form] = []
    for item in (part.strip() for part in text.split(",")):
        forms += [(f,) for f in inflections(item[1:])] if item.startswith("~") else [tuple(item.split())]
    return tuple(dict.fromkeys(forms))


def _phrases(table: str) -> tuple[Form, ...]:
    return tuple(tuple(item.split()) for line in table.strip().splitlines() for item in line.split(","))


FAMILIES: Final = _parse(_FAMILIES) + tuple((((word,), (str(n),)),) for n, word in enumerate(_NUMBERS))
NUMBERS: Final = frozenset(_NUMBERS) | frozenset(map(str, range(len(_NUMBERS))))
OTHER_SENSES: Final = _phrases(_OTHER_SENSES)
IDIOMS: Final = _phrases(_IDIOMS)
_NARROW: Final[dict[Form, str]] = {
    **{(word,): word for word in ("dog", "cat", "clock", "fire", "sea", "ocean")},
    ("dogs",): "dog",
    ("cats",): "cat",
    **{(word,): "calm" for word in ("relaxed", "peaceful", "peacefully", "serene", "serenity", "tranquil")},
}
NARROW: Final[Mapping[Form, str]] = MappingProxyType(_NARROW)
"""Forms that stand only for a label holding a certain word: "dog" for "Dog bark" but not for "Barking"."""
PLACES: Final = {form: (f, g) for f, family in enumerate(FAMILIES) for g, group in enumerate(family) for form in group}
"""Where a form stands in the table: family and group."""
