"""The diagnosis in words: what changed since the last run, where answers are lost, which repair would pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcr.core.before_after import Change
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.core.repair_gates import ArmJudged
from pytest_mcr.core.slices import LEAST, Slice
from pytest_mcr.report.wording import NOTHING, count, end, figure, safe, with_interval
from pytest_mcr.run.last_run import LastRun
from pytest_mcr.run.record import RunRecord

HEADLINES: Final = (
    ("accuracy", ADVERSARIAL),
    ("accuracy", FAITHFUL),
    ("accuracy", NEUTRAL),
    ("accuracy", IRRELEVANT),
    ("tir", ADVERSARIAL),
)
"""Numbers whose change is told."""
DIFFERENCES_SHOWN: Final = 6
SLICES_SHOWN: Final = 3
ARMS_SHOWN: Final = 2
LABEL_LIMIT: Final = 60
SPEC_LIMIT: Final = 200
OWN: Final = "judged on this run's own scores, without another question"
NOT_LOOKED: Final = "nothing was looked for in this run"


def changed_lines(record: RunRecord) -> Iterator[str]:
    """The last comparable run, the paired change of the headline numbers, and what differs in the configuration."""
    if record.diagnosis is None:
        yield NOT_LOOKED
        return
    last = record.diagnosis.last
    if last.run is None:
        yield safe(last.why, 400)
        return
    whose = "the same model" if last.same_model else f"{safe(last.model, SPEC_LIMIT)}, another model or version"
    yield f"against run {safe(last.run, 80)} ({whose}, verdict {safe(last.verdict, 20)})"
    if last.why:
        yield safe(last.why, 400)
    rows = headline_changes(last)
    yield from (change_line(row) for row in rows if moved(row) is not False)
    still = [f"{name_of(row)} {difference(row)}" for row in rows if moved(row) is False]
    if still:
        yield f"no change beyond luck in {', '.join(still)}"
    shown = [safe(line, 240) for line in last.differences[:DIFFERENCES_SHOWN]]
    more = len(last.differences) - len(shown)
    if shown:
        yield f"differs in {'; '.join(shown)}{f'; and {more} more' if more else ''}"
    else:
        yield "nothing differs in the configuration"


def headline_changes(last: LastRun) -> list[Change]:
    """The means over tasks of the headline numbers, in their order."""
    by_name = {(row.measure, row.condition): row for row in last.changes if row.task == OVERALL}
    return [by_name[name] for name in HEADLINES if name in by_name]


def name_of(row: Change) -> str:
    """E.g. ``accuracy[adversarial]``."""
    return f"{row.measure}[{row.condition}]"


def moved(row: Change) -> bool | None:
    """Whether a number changed beyond luck; None where that cannot be told."""
    limits = row.change.limits
    return None if row.change.value is None or limits is None else limits.low > 0 or limits.high < 0


def difference(row: Change) -> str:
    """The change with its paired interval, e.g. ``+0.86 [.77,.92]``; why it is undefined where it is."""
    change = row.change
    if change.value is None or change.limits is None:
        return safe(change.note or NOTHING, 200)
    return f"{round(change.value, 2) + 0.0:+.2f} [{end(change.limits.low)},{end(change.limits.high)}]"


def change_line(row: Change) -> str:
    """One number before and now, e.g. ``accuracy[adversarial] 0.08, now 0.94: +0.86 [.77,.92], n 180``."""
    return (
        f"{name_of(row)} {figure(row.before.value)}, now {figure(row.after.value)}: {difference(row)}, n {row.change.n}"
    )


def where_lines(record: RunRecord) -> Iterator[str]:
    """The slices in which more is lost than in the rest of their task, or the worst of those that might be luck."""
    if record.diagnosis is None:
        yield NOT_LOOKED
        return
    found = record.diagnosis.slices
    lost = f"right in neutral, wrong in {found.condition}" if found.paired else f"wrong in {found.condition}"
    if not found.rows:
        yield f"no slice has {LEAST} clips and others to compare with"
        return
    if not any(row.lost for row in found.rows):
        yield f"nothing is lost ({lost}) in any of {count(len(found.rows), 'slice')}"
        return
    out = [row for row in found.rows if row.stands_out]
    tests = f"Holm over {count(len(found.rows), 'slice')} by task, gold, text label, source"
    if out:
        yield f"lost ({lost}) more often than in the rest of the task ({tests}):"
    else:
        yield f"no slice stands out ({lost}; {tests}); the worst:"
    for row in out[:SLICES_SHOWN] or found.rows[:1]:
        yield f"  {slice_line(row)}"
    if len(out) > SLICES_SHOWN:
        yield f"and {len(out) - SLICES_SHOWN} more"


def slice_line(row: Slice) -> str:
    """One slice with its counts beside those of the rest."""
    parts = [safe(row.task, LABEL_LIMIT)]
    parts += [] if row.gold is None else [f"gold {safe(row.gold, LABEL_LIMIT)}"]
    parts += [] if row.text_label is None else [f"text says {safe(row.text_label, LABEL_LIMIT)}"]
    parts += [] if row.source is None else [f"source {safe(row.source, LABEL_LIMIT)}"]
    rest = f"{row.rest_lost} of {row.rest_n} in the {'other tasks' if row.is_task else 'rest'}"
    return f"{', '.join(parts)}: {row.lost} of {row.n} lost, {rest} (p {row.p:.2g})"


def repair_lines(record: RunRecord) -> tuple[list[str], bool]:
    """Lines about the repair arms, and whether the command that measures them belongs below."""
    judgement = record.judgement
    if not judgement.gates:
        return ["no gate was judged"], False
    if all(gate.verdict in ("pass", "not_judged") for gate in judgement.gates):
        return ["no gate needs a repair"], False
    if record.diagnosis is None:
        return [NOT_LOOKED], False
    arms, own = record.diagnosis.arms, record.diagnosis.own
    if not arms:
        return _without_arms(record)
    meeting = [arm for arm in arms if arm.meets_all]
    if meeting:
        lines = [f"{arm_name(arm)} meets {_all(arm)}; {cost(arm)}" for arm in meeting[:ARMS_SHOWN]]
        more = len(meeting) - ARMS_SHOWN
        lines += [f"and {count(more, 'more arm')}"] if more > 0 else []
        return ([*lines, f"{OWN}; answers by score"] if own else lines), False
    best = arms[0]
    blocked = ", ".join(map(safe, best.blocked[:3])) + (", ..." if len(best.blocked) > 3 else "")
    lead = f"none of {count(len(arms), 'arm')} meets every gate; nearest: {arm_name(best)}"
    line = f"{lead}, {best.met} of {best.judged}, still blocked by {blocked}; {cost(best)}"
    asks = own and record.model.get("kind") != "replay"
    return ([line, f"{OWN}; the command asks about others"] if asks else [line]), asks


def _without_arms(record: RunRecord) -> tuple[list[str], bool]:
    if record.judgement.repairs.names:
        return ["no repair arm has answers: the model gives no scores; --mcr-mitigation also takes prompts"], False
    if record.model.get("kind") == "replay":
        return ["these recorded answers hold no scores, so no repair can be judged; ask the model itself"], False
    return ["no repair was measured; what this run asked is in the cache, the command asks the rest"], True


def _all(arm: ArmJudged) -> str:
    left = f" ({arm.left_out} more cannot be judged on an arm's answers)" if arm.left_out else ""
    return f"all {count(arm.judged, 'gate')}{left}"


def arm_name(arm: ArmJudged) -> str:
    """The arm, and the options that were chosen for it."""
    name = safe(arm.arm, SPEC_LIMIT)
    return name if arm.chosen == arm.arm else f"{name} (as {safe(arm.chosen, SPEC_LIMIT)})"


def cost(arm: ArmJudged) -> str:
    """What the arm loses under faithful texts."""
    if arm.drop is None or arm.drop.value is None:
        return "its faithful cost was not measured"
    value, low, high = arm.drop.value, arm.drop.low, arm.drop.high
    if value < 0:
        return f"faithful accuracy rises by {with_interval(-value, _minus(high), _minus(low))}"
    return f"faithful accuracy falls by {with_interval(value, low, high)}"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
