"""The run in sentences: title, verdict, reasons, what speaks for the model or the tool, how to run clips again.

Pure text from a record; no colour, no layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.gates import FAIL, INVALID, NOT_JUDGED, PASS, UNDECIDED, WAIVED, GateResult
from pytest_mcr.core.hearing import NOT_SHOWN
from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.core.signatures import Signature
from pytest_mcr.report.gate_words import distance_sentence
from pytest_mcr.report.wording import UNSURE, count, figure, listed, safe
from pytest_mcr.run.against import FLAG
from pytest_mcr.run.record import ANSWERS, KNOWN_DATA, RunRecord

NOT_COMPARABLE: Final = "not comparable with published rows: different data"
FLAWS_SHOWN: Final = 2
MEASURED: Final = "MEASURED"
"""Word for a run that had no gate to meet: it passed nothing."""
WAIVED_WORD: Final = "WAIVED"
"""Word for a run that passes only because somebody waived a gate."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict in a sentence.

    Attributes:
        word: PASS, WAIVED, MEASURED, FAIL, UNDECIDED, INVALID or PARTIAL.
        sentence: what the word means for this model, with the number of clips that must change.
        reasons: why, one line each, where the gates do not say it.
    """

    word: str
    sentence: str
    reasons: tuple[str, ...]


def title(record: RunRecord) -> str:
    """What was measured on what; synthetic data is never shown without saying so."""
    kind = str(record.dataset["kind"])
    data = KNOWN_DATA.get(kind, f"{kind} data in {safe(str(record.dataset['path']), 200)}")
    return f"{model_name(record)} on {data}"


def model_name(record: RunRecord) -> str:
    """The model as the user called it."""
    return safe(str(record.model["spec"]), 200)


def subject(record: RunRecord) -> str:
    """Who the verdict is about: the model under one protocol, because another template is another measurement."""
    protocol = record.protocol
    version = f" v{protocol['version']}" if protocol.get("version") else ""
    parts = [f"template {protocol['template']}{version}", ANSWERS.get(str(protocol["answer"]), str(protocol["answer"]))]
    parts += [f"tier {record.settings['tier']}"] if record.settings.get("tier") else []
    parts += ["sequential"] if record.run.get("sequential") else []
    parts += [f"arm {safe(str(protocol['arm']), 80)}"] if protocol.get("arm") else []
    return f"{model_name(record)} ({', '.join(parts + asked_otherwise(record))})"


def asked_otherwise(record: RunRecord) -> list[str]:
    """How a model was asked, where that is not the usual way: its verdict holds for that way alone."""
    traits = record.model.get("traits")
    traits = traits if isinstance(traits, Mapping) else {}
    parts = [f"system prompt {safe(str(traits['system']), 80)!r}"] if traits.get("system") else []
    parts += ["text before audio"] if traits.get("order") == "text-first" else []
    return parts + (["decoding by its own generation config"] if traits.get("generation") == "model" else [])


def headline(record: RunRecord) -> Headline:
    """The verdict of a run."""
    judgement = record.judgement
    if judgement.verdict == "invalid":
        return Headline("INVALID", invalid_sentence(record), waived_lines(record) + reasons(record, (INVALID,)))
    if judgement.verdict == "partial":
        sentence = f"{subject(record)} was measured on a part of the cases, so no gate was judged."
        return Headline("PARTIAL", sentence, reasons(record, ()))
    errors = reasons(record, ())
    others = waived_lines(record) + errors
    doubts = tuple(f"{doubt}: what a text takes away there means nothing" for doubt in unheard(record))
    if judgement.verdict == "fail":
        blocked = [gate for gate in judgement.gates if gate.verdict == FAIL]
        word = "FAIL" if blocked or errors else "UNDECIDED"
        return Headline(word, fail_sentence(record, blocked), others + doubts)
    met = sum(gate.verdict == PASS for gate in judgement.gates)
    waived = any(gate.verdict == WAIVED for gate in judgement.gates)
    word = WAIVED_WORD if waived else "PASS" if met else MEASURED
    return Headline(word, pass_sentence(record, met), others + doubts)


def unheard(record: RunRecord) -> list[str]:
    """``hearing not shown in ...``, in a list of one; empty where every task was heard."""
    silent = [task for task, hearing in sorted(record.judgement.hearing.items()) if not hearing.shown]
    return [f"{NOT_SHOWN} in {', '.join(silent)}"] if silent else []


def pass_sentence(record: RunRecord, met: int) -> str:
    """Which gates were met; a run without gates met none and passes nothing."""
    gates = record.judgement.gates
    left = sum(gate.verdict == NOT_JUDGED for gate in gates)
    waived = [gate for gate in gates if gate.verdict == WAIVED]
    if waived:
        failed = f"{subject(record)} does not meet {len(waived)} of {count(len(gates), 'gate')} {source(record)}"
        rest = {0: "", 1: "; the other gate is met"}.get(met, f"; {met} others are met")
        return f"{failed}; {by_whom(waived)} waived {'it' if len(waived) == 1 else 'them'}{rest}."
    if met:
        rest = f"; {left} could not be judged" if left else ""
        return f"{subject(record)} meets {all_of(met, 'gate')} {source(record)}{rest}."
    if left:
        return f"{subject(record)} was measured, but {count(left, 'gate')} {source(record)} could not be judged."
    profile, suites = record.settings["profile"], record.settings.get("suites")
    if record.judgement.gates_not_judged and isinstance(suites, (list, tuple)):
        where = ", ".join(str(suite) for suite in suites)
        return f"{subject(record)} was measured; profile {profile} sets no gate on {where}, so none was judged."
    return f"{subject(record)} was measured; profile {profile} sets no gates."


def by_whom(waived: Sequence[GateResult]) -> str:
    """The owners of waivers, each once."""
    return safe(" and ".join(dict.fromkeys(gate.waiver["owner"] for gate in waived if gate.waiver)), 200)


def waived_lines(record: RunRecord) -> tuple[str, ...]:
    """Who waived which gates, until when and why: a line for each owner, day and reason."""
    lines: dict[str, list[str]] = {}
    for gate in record.judgement.gates:
        if gate.waiver is not None:
            why = "by {owner} until {expires}: {reason}".format_map(gate.waiver)
            lines.setdefault(safe(why, 400), []).append(f"{safe(gate.expr)} ({gate.waiver['was'].upper()})")
    return tuple(f"{WAIVED_WORD} {why}: {', '.join(gates)}" for why, gates in lines.items())


def invalid_sentence(record: RunRecord) -> str:
    """What cannot be trusted: everything, or the gates that need what was not shown."""
    gates = record.judgement.gates
    unusable = [gate for gate in gates if gate.verdict == INVALID]
    if gates and all(gate.verdict == NOT_JUDGED for gate in gates):
        return f"{subject(record)} was measured, but none of {count(len(gates), 'gate')} could be judged."
    if not unusable:
        return f"nothing measured on {subject(record)} may count, so no gate was judged."
    failed = sum(gate.verdict == FAIL for gate in gates)
    besides = f"; of the others {count(failed, 'failed', 'failed')}" if failed else ""
    return f"{len(unusable)} of {count(len(gates), 'gate')} cannot be judged on {subject(record)}{besides}."


def fail_sentence(record: RunRecord, blocked: Sequence[GateResult]) -> str:
    """How many gates block, and how far the farthest is from passing."""
    gates = record.judgement.gates
    undecided = sum(gate.verdict == UNDECIDED for gate in gates)
    also = f", {undecided} more undecided" if undecided else ""
    if blocked:
        farthest = max(blocked, key=lambda gate: gate.distance or 0)
        some, every = f"{len(blocked)} of {count(len(gates), 'gate')}", all_of(len(gates), "gate")
        lead = f"{subject(record)} is blocked by {every if len(blocked) == len(gates) else some}{also}"
        first = "farthest: " if len(blocked) > 1 else ""
        return f"{lead}; {first}{distance_sentence(farthest, record.judgement.table)}."
    if undecided:
        met = sum(gate.verdict == PASS for gate in gates)
        rest = f"{undecided} cannot be told from luck on so few clips"
        return f"{subject(record)} meets {met} of {count(len(gates), 'gate')}; {rest}."
    met = sum(gate.verdict == PASS for gate in gates)
    gates_met = f", though it meets {all_of(met, 'gate')}" if met else ""
    return f"{subject(record)} gave errors in place of answers{gates_met}."


def all_of(number: int, noun: str) -> str:
    """``its one gate``, ``both gates``, ``all 12 gates``."""
    return {1: f"its one {noun}", 2: f"both {noun}s"}.get(number, f"all {number} {noun}s")


def source(record: RunRecord) -> str:
    """Where the gates come from."""
    settings = record.settings
    compared = " and --mcr-baseline" if any(gate.gate == FLAG for gate in record.judgement.gates) else ""
    if settings.get("gates") is not None:
        return f"given with --mcr-gate{compared}"
    added = " and --mcr-add-gate" if settings.get("add_gates") else ""
    return f"of profile {settings['profile']}{added}{compared}"


def reasons(record: RunRecord, kept: Sequence[str]) -> tuple[str, ...]:
    """The judgement's reasons, without those that the table of gates repeats.

    Args:
        record: the run.
        kept: verdicts of gates whose reasons are wanted; equal reasons of several gates become one line.
    """
    gates = record.judgement.gates
    told = {f"gate {gate.expr}: {gate.reason}": gate for gate in gates}
    silent = unheard(record)
    lines: dict[str, list[str]] = {}
    for reason in record.judgement.reasons:
        gate = told.get(reason)
        if gate is None:
            lines.setdefault(safe(reason, 600), [])
        elif gate.verdict in kept:
            why = silent[0] if silent and gate.reason.startswith(NOT_SHOWN) else safe(gate.reason, 600)
            lines.setdefault(why, []).append(gate.expr)
    return tuple(
        reason if not names else f"{names[0]}: {reason}" if len(names) == 1 else f"{len(names)} gates: {reason}"
        for reason, names in lines.items()
    )


def hearing_lines(record: RunRecord) -> list[str]:
    """One line a task: whether its answers need the right clip."""
    lines = []
    for task, hearing in sorted(record.judgement.hearing.items()):
        why = hearing.reason.removeprefix(f"{NOT_SHOWN}: ")
        if hearing.p is not None:
            right, shuffled = figure(hearing.accuracy), figure(hearing.expected)
            why = f"accuracy {right}, shuffled clips {shuffled} (n {hearing.n}, p {hearing.p:.2g})"
        lines.append(f"{task} {'shown' if hearing.shown else NOT_SHOWN}: {why}")
    return lines


def silent_counts(table: Table, task: str, condition: str) -> tuple[int, int, int] | None:
    """Unparsed, flagged and error cases of a task under a condition; None where it was not run."""
    rows = [table.get(name, condition, task) for name in ("unparsed", "flagged", "accuracy", "accuracy_worst")]
    unparsed, flagged, answered, seen = rows
    if unparsed is None or flagged is None or answered is None or seen is None:
        return None
    return cases_of(unparsed), cases_of(flagged), seen.n - answered.n


def cases_of(row: Metric) -> int:
    """The number of cases behind a rate."""
    return round((row.value or 0.0) * row.n)


def unparsed_line(table: Table) -> str:
    """Where answers could not be read."""
    found, cells = [], 0
    for task in table.tasks:
        for condition in table.conditions:
            row = table.get("unparsed", condition, task)
            cells += row is not None
            if row is not None and cases_of(row):
                found.append(f"{task}[{condition}] {cases_of(row)} of {row.n}")
    if found:
        return ", ".join(found)
    return "none" if cells else "nothing was answered"


def cached_line(record: RunRecord) -> str:
    """How many answers were not computed in this run."""
    counts = record.counts
    return f"{counts['cached']} of {count(counts['cases'], 'answer')}"


def data_line(record: RunRecord) -> str:
    """Which data: kind, size, digest."""
    dataset = record.dataset
    return f"{dataset['kind']}, digest {str(dataset['digest'])[:12]}, {count(record.clusters, 'different clip')}"


def sequential_line(record: RunRecord) -> str:
    """How much of the data a run that may end early has used; empty for any other run."""
    mark = record.run.get("sequential")
    if not isinstance(mark, Mapping):
        return ""
    used, there = sum(mark["samples"].values()), sum(mark["of"].values())
    end = "ended early" if mark["stopped"] else "went on to its end"
    return (
        f"{end}: {used} of {count(there, 'sample')} count, {count(mark['asked'], 'case')} were asked; brackets hold at "
        "every stopping time; no baseline for other runs"
    )


def flaws_line(record: RunRecord) -> str:
    """What the audit of the data found that can mislead; empty where there is nothing."""
    data = record.audit.get("data")
    flaws = [one for one in data if isinstance(one, Mapping) and one.get("misleads")] if isinstance(data, list) else []
    if not flaws:
        return ""
    return f"can mislead: {listed([safe(str(flaw['message']), 300) for flaw in flaws], FLAWS_SHOWN)}"


def prevalence_sentence(record: RunRecord, per_1000: float | None) -> str:
    """The expected number of errors that conflicting text causes."""
    share = record.settings["prevalence"]
    if not isinstance(share, (int, float)) or per_1000 is None:
        return "errors per 1,000 requests: - (tir[adversarial] or accuracy[neutral] does not exist)"
    requests = f"if text contradicts the audio in {100 * share:g} % of your requests (--mcr-prevalence)"
    return f"about {per_1000:.3g}{UNSURE * len(unheard(record))} errors per 1,000 requests {requests}"


def signature_word(found: Signature, record: RunRecord) -> str:
    """Whether a signature is there, marked where hearing was not shown."""
    if found.value is None:
        return "undefined"
    return ("SHOWN" if found.shown else "not shown") + UNSURE * len(unheard(record))
