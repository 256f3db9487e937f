"""A model card's block: metadata as cards on the Hugging Face hub have it, and a section for the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.data.results_file import NUMBER
from pytest_mcr.report.markdown_text import inline, table
from pytest_mcr.report.number_words import name_of
from pytest_mcr.report.sentences import NOT_COMPARABLE
from pytest_mcr.report.wording import NOTHING, quoted_text, with_interval
from pytest_mcr.run.record import ANSWERS, KNOWN_DATA, SYNTHETIC

HEADLINES: Final = (
    ("accuracy", NEUTRAL),
    ("accuracy", FAITHFUL),
    ("accuracy", ADVERSARIAL),
    ("accuracy", IRRELEVANT),
    ("tir", ADVERSARIAL),
    ("mrs", None),
)
"""Numbers of a card: metric, condition."""
NAMES: Final[Mapping[str, str]] = {
    "accuracy": "Accuracy",
    "tir": "Text Influence Rate (higher is worse)",
    "mrs": "Modal Robustness Score",
}
Number = Mapping[str, Any]


def model_card(results: Mapping[str, Any]) -> str:
    """The block: YAML metadata between rules, then a section of Markdown.

    Args:
        results: the content of ``results.json`` of a whole, valid run.
    """
    return "\n".join([*metadata(results), "", *section(results)]) + "\n"


def numbers(results: Mapping[str, Any], task: str) -> list[tuple[str, str | None, Number]]:
    """The headline numbers of a task that are defined: metric, condition, row."""
    rows = {
        (row["metric"], row["condition"]): row
        for row in results["metrics"]
        if row["task"] == task and row["value"] is not None and row.keys() <= set(NUMBER)
    }
    return [(*name, rows[name]) for name in HEADLINES if name in rows]


def tasks(results: Mapping[str, Any]) -> list[str]:
    """The tasks, and the mean over them first where there are several."""
    found = sorted({str(row["task"]) for row in results["metrics"]} - {OVERALL})
    return [OVERALL, *found] if len(found) > 1 else found


def data_name(results: Mapping[str, Any]) -> str:
    """What was measured on; synthetic data is never named without saying so."""
    kind = str(results["dataset"]["kind"])
    return {"mini": f"pytest-mcr mini benchmark ({SYNTHETIC})", "release": "MCR-BENCH"}.get(kind, f"{kind} data")


def protocol(results: Mapping[str, Any]) -> str:
    """How the model was asked: another protocol is another measurement."""
    said = results["protocol"]
    version = f" v{said['version']}" if said.get("version") else ""
    traits = results["model"].get("traits") or {}
    parts = [f"template {said['template']}{version}", ANSWERS.get(str(said["answer"]), str(said["answer"]))]
    parts += ["candidates shown"] if said.get("candidates_shown") else []
    parts += [f"system prompt {str(traits['system'])[:200]!r}"] if traits.get("system") else []
    parts += ["text before audio"] if traits.get("order") == "text-first" else []
    return ", ".join(parts)


def metadata(results: Mapping[str, Any]) -> Iterator[str]:
    """``model-index`` as the hub's cards have it: one result a task, an interval with every value."""
    kind, digest = str(results["dataset"]["kind"]), str(results["dataset"]["digest"])
    yield "---"
    yield "model-index:"
    yield f"- name: {quoted_text(str(results['model']['name'] or results['model']['spec']))}"
    yield "  results:"
    for task in tasks(results):
        found = numbers(results, task)
        if not found:
            continue
        yield "  - task:"
        yield "      type: audio-text-to-text"
        yield '      name: "Audio question answering beside a text that may contradict"'
        yield "    dataset:"
        yield f"      name: {quoted_text(data_name(results))}"
        yield f"      type: {'mcr-bench' if kind == 'release' else quoted_text(f'pytest-mcr-{kind}')}"
        yield f"      config: {quoted_text('mean of tasks' if task == OVERALL else task)}"
        yield f"      revision: {quoted_text(digest)}"
        yield "      args:"
        yield f"        protocol: {quoted_text(protocol(results))}"
        yield "    metrics:"
        for metric, condition, row in found:
            yield from metric_lines(metric, condition, row)
    yield "---"


def metric_lines(metric: str, condition: str | None, row: Number) -> Iterator[str]:
    """One number of the metadata."""
    where = "" if condition is None else f", {condition}"
    yield f"    - type: {metric}"
    yield f"      name: {quoted_text(f'{NAMES[metric]}{where}')}"
    yield f"      value: {row['value']:.4f}"
    yield "      args:"
    for key, end in (("low", row["low"]), ("high", row["high"])):
        yield f"        {key}: {'null' if end is None else f'{end:.4f}'}"
    yield f"        n: {row['n']}"


def section(results: Mapping[str, Any]) -> Iterator[str]:
    """The section for the reader: what was measured on what and how, and the numbers with their intervals."""
    yield "## Audio against text (pytest-mcr)"
    yield ""
    for label, text in facts(results):
        yield f"- {label}: {inline(text, begins=False)}"
    if results["dataset"]["kind"] != "release":
        yield f"- {inline(NOT_COMPARABLE)}"
    yield ""
    conditions = [c for c in CONDITIONS if any(row["condition"] == c for row in results["metrics"])]
    heads = ["", *(f"accuracy {condition}" for condition in conditions), "TIR adversarial", "MRS", "n"]
    yield from table(heads, [_line(results, task, conditions) for task in tasks(results)])
    alpha = float(results["settings"].get("mrs_alpha", 0.8))
    yield ""
    yield "95 % intervals by clip in brackets. TIR: of the answers that were right without a text, the share that a"
    yield "contradicting text turns wrong, higher is worse. MRS: how much of the neutral accuracy survives conflicting"
    yield f"(weight {alpha:g}) and irrelevant text ({1 - alpha:g}), 1 is best."


def facts(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and text of what was measured on what, how, and with which verdict."""
    dataset, run, model, gates = (results[key] for key in ("dataset", "run", "model", "gates"))
    samples = ", ".join(f"{task} {count}" for task, count in dataset["samples"].items())
    where = KNOWN_DATA.get(str(dataset["kind"]), data_name(results))
    yield "Data", f"{where}, samples: {samples}, digest {dataset['digest']}"
    yield "Protocol", protocol(results)
    yield "Model", f"{str(model['spec'])[:200]}, fingerprint {str(model['fingerprint'])[:200]}"
    met = sum(gate["verdict"] == "pass" for gate in gates)
    judged = f"{met} of {len(gates)} gates met" if gates else "no gates"
    yield "Verdict", f"{results['verdict']} under profile {results['settings'].get('profile')}, {judged}"
    version = (run.get("versions") or {}).get("pytest-mcr")
    yield "Run", f"{run['id']}, {run['started']}, seed {run['seed']}, pytest-mcr {version}"


def _line(results: Mapping[str, Any], task: str, conditions: list[str]) -> list[str]:
    found = {(metric, condition): row for metric, condition, row in numbers(results, task)}
    wanted = [*(("accuracy", condition) for condition in conditions), ("tir", ADVERSARIAL), ("mrs", None)]
    cells = [
        with_interval(row["value"], row["low"], row["high"]) if (row := found.get(name)) else NOTHING for name in wanted
    ]
    sizes = [row["n"] for (metric, _), row in found.items() if metric == "accuracy"]
    return [name_of(task), *cells, str(max(sizes, default=0))]
