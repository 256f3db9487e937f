"""The words that change what a mention means: denial, doubt, report, contrast. Data only."""

from __future__ import annotations

from typing import Final

from pytest_mcr.core.reading.words import SENTENCE_END, vocabulary

LIKENESS: Final = "\u2248"
"""What `clean` makes of "-like" and "-ish"."""

CROSS: Final = "\u2297"
"""What `clean` makes of a cross within a line."""

CONTRAST: Final = vocabulary(
    "but however yet while whereas although though nevertheless nonetheless still",
)
REASON: Final = vocabulary("because so therefore thus hence since then")
BREAKS: Final = SENTENCE_END | {";"}
LINKS: Final = vocabulary(", : \u2014 ( and so then")

NEGATORS: Final = vocabulary(
    "not no never neither nor without non un lacks lack lacking absence absent except excluding excludes exclude",
    "unlike doubt doubtful doubts unlikely hardly barely scarcely wrong incorrect inaccurate fails failed nothing none",
    "nobody denies deny denied misses missing than opposite wrongly incorrectly mistakenly falsely nowhere impossible",
    "implausible refuse less ignore ignoring disregard disregarding avoid rejects reject rejected",
    # A model that answers in another language may still use an English label.
    "kein keine keinen nicht nie pas sans aucun aucune nao sem ni sin ningun ninguna geen niet zonder senza ohne inte",
    "ikke",
)
NEGATOR_PAIRS: Final = {
    "instead": ("of",),
    "opposed": ("to",),
    "contrast": ("to", "with"),
    "different": ("from", "than", "to"),
    "differs": ("from",),
    "distinct": ("from",),
    "mistaken": ("for",),
    "confused": ("with", "for"),
    "misheard": ("as",),
    "mislabeled": ("as",),
    "mislabelled": ("as",),
    "ruled": ("out",),
    "rule": ("out",),
    "rules": ("out",),
    "ruling": ("out",),
    "far": ("from",),
    "free": ("of", "from"),
    "compared": ("to", "with"),
}
HEDGES_AFTER_NOT: Final = vocabulary(
    "sure certain clear confident entirely completely totally fully 100% positive easy very",
)
UNDECIDED: Final = vocabulary(
    "decide determine say tell answer know choose confirm commit conclude pick give be resolve identify",
)
ALL_BUT: Final = vocabulary("anything everything all")
IDIOMS: Final = (
    "no doubt",
    "without a doubt",
    "without any doubt",
    "without doubt",
    "no question",
    "not only",
    "not just",
    "not merely",
    "if i had to",
    "if i have to",
    "if i must",
    "if forced",
    "if anything",
    "if i am not mistaken",
    "if i hear correctly",
    "as if",
    "even if",
    "even though",
    "nothing wrong",
    "nothing else",
    "none else",
    "so to speak",
    "more or less",
    "or so",
    "as text",
)
"""Word sequences in which a cue word is no cue."""

AUXILIARIES: Final = vocabulary(
    "is are was were be been do does did can could would will should has have had may might must seems seem",
    "appear appears",
)
TELEGRAPHIC: Final = vocabulary(
    "heard present detected audible found there included identified it observed perceived supported",
)
UNTRUE: Final = vocabulary(
    "absent missing wrong incorrect unlikely excluded inaudible impossible implausible nowhere inaccurate untrue",
    "false out never mistaken rejected unsupported",
)
NOPE: Final = vocabulary(
    "no not false absent none negative n wrong incorrect 0 0% 0.0 unlikely never nope x",
)
ANAPHORIC: Final = vocabulary(
    "it that this which is was are were be does do did can could i we and but so also clearly actually however",
    "although though has have had would should at all they these",
)
INTRODUCES: Final = vocabulary(": \u2014 = - ( ? |")
RETRACTS: Final = vocabulary(
    "no wait actually scratch correction sorry oops hmm nope nah never strike",
)

CONDITIONALS: Final = vocabulary(
    "if whether unless suppose supposing assuming assume depending depends",
)
UNSETTLED: Final = vocabulary(
    "either between supposed supposedly alleged allegedly options choices candidates example instance e.g",
    "initially previously formerly originally mixture mix combination blend pretending imitating imitation fake",
    "expected expecting expect almost nearly possibilities alternatives labels categories such choosing",
)
UNSETTLED_PAIRS: Final = {"at": "first", "first": "thought", "one": "of", "so": "called", "e": "g", "choose": "from"}
ALTERNATIVES: Final = vocabulary("or / | vs versus")
FILLERS: Final = vocabulary(
    "a an the of sound sounds noise some is it be maybe perhaps possibly even \" ' ( ) most likely"
)
LIST_WORDS: Final = vocabulary(", a an the or nor and / | of sound sounds noise any \" '")
RELEASES: Final = vocabulary(
    "just only rather instead actually more clearly definitely probably likely maybe perhaps possibly simply i we",
    "it there he she they that this what my his her but so therefore",
)

TEXT_NOUNS: Final = vocabulary(
    "text texts description descriptions caption captions transcript transcripts transcription",
)
AUDIO_NOUNS: Final = vocabulary(
    "audio recording recordings clip sound sounds voice tone speaker acoustics acoustic waveform soundtrack",
    "intonation prosody vocal actual real",
)
PEOPLE: Final = vocabulary(
    "person man woman speaker someone somebody people child singer animal",
)
ANSWERS: Final = vocabulary("answer correct response emotion best label option")
TELLING: Final = vocabulary(
    "says say said saying states state stated stating claims claim claimed claiming mentions mention mentioned",
    "mentioning describes describe described describing suggests suggest suggested suggesting indicates indicate",
    "indicated indicating implies imply implied implying reads read tells told reports report reported refers",
    "claims asserts asserted asserting calls called labels labelled labeled notes noted points wants would",
)
SPEAKING: Final = vocabulary(
    "says say said saying states stated claims claimed claiming mentions mentioned mentioning writes wrote reads",
    "quoted describes described",
)
WRITING: Final = vocabulary("writes wrote describes described quoted")
OWN_VOICE: Final = vocabulary("i we me us you to would could might can one let answer")
DEVICES: Final = AUDIO_NOUNS - {"speaker", "voice"}
INSIDE: Final = vocabulary("in on of from throughout")
UNQUOTES: Final = vocabulary(
    "sounding sounds sounded sound seems seemed seeming appears with in feels feeling",
)
MANNER: Final = vocabulary(
    "tone voice manner way mood style delivery intonation inflection tones voices emotion feeling expression",
)
AGREES: Final = vocabulary(
    "match matches matching agree agrees agreeing confirms confirm confirming supports support supporting",
    "consistent aligns accurate correct corroborates",
)
DISMISSING: Final = vocabulary(
    "despite ignoring regardless unlike contrary disregarding beyond ignore disregard whatever notwithstanding",
)
LEANING: Final = vocabulary(
    "based according per given judging considering using from following by going as",
)
JUDGED: Final = vocabulary(
    "wrong incorrect inaccurate false misleading untrue mistaken irrelevant unrelated accurate correct right true",
    "not inconsistent contradictory off match matches contradicts contradict conflicts conflict contradicting",
    "conflicting disagrees disagree differs unreliable related",
)

CUES: Final = (
    NEGATORS
    | frozenset(NEGATOR_PAIRS)
    | ALL_BUT
    | CONDITIONALS
    | UNSETTLED
    | frozenset(UNSETTLED_PAIRS)
    | ALTERNATIVES
    | TEXT_NOUNS
    | SPEAKING
    | UNTRUE
    | RETRACTS
    | NOPE
    | {"?", LIKENESS, CROSS}
)
"""No mention of an answer without any of these is anything but asserted."""
