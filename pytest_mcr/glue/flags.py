"""The table of flags; every flag ``--mcr-x-y`` has an ini twin ``mcr_x_y``."""

from __future__ import annotations

from pathlib import Path

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.glue.flags_audit import AUDIT
from pytest_mcr.glue.flags_awareness import AWARENESS
from pytest_mcr.glue.flags_calibration import CALIBRATION
from pytest_mcr.glue.flags_confidence import CONFIDENCE
from pytest_mcr.glue.flags_dominance import DOMINANCE
from pytest_mcr.glue.flags_gating import GATING
from pytest_mcr.glue.flags_live import LIVE
from pytest_mcr.glue.flags_mitigation import MITIGATION
from pytest_mcr.glue.flags_report import REPORT
from pytest_mcr.glue.flags_sequential import SEQUENTIAL
from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import (
    DEFAULT_SUITES,
    PROFILES,
    SUITES,
    automatic,
    device,
    folder,
    integer,
    list_of,
    megabytes,
    number,
    one_of,
    shorthand,
    suites,
    switch,
)

DEFAULT_CACHE = Path(".mcr/cache")
"""Under the folder that pytest is started in."""
HELP = "help"
"""In place of a model: list which there are."""


OPTIONS = (
    Option(
        "--mcr-model",
        "SPEC",
        "the model to test, and the switch that turns the plugin on: an alias (lab, qwen2-audio), a folder, "
        "hf:REPO[@REV], exec:COMMAND, openai:URL#MODEL, replay:FILE, oracle:NAME or module:factory, with options after "
        "a question mark ('hf:REPO?attn=eager&system=Be brief.'); --mcr-model help lists all of them and what is "
        "installed; --mcr-model= switches an ini default off. Every wait ends: exec: 600 s for a child's first line, "
        "300 s without an answer; openai: 120 s a try, 5 more tries, 120 s without an answer from any server (options "
        "change these)",
        str,
    ),
    Option(
        "--mcr-data", "PATH", "a folder in the MCR-BENCH release layout (default: the embedded mini benchmark)", folder
    ),
    Option("--mcr-tasks", "AQA,SER", "only these tasks (default: all)", list_of()),
    Option("--mcr-conditions", "neutral,adversarial", "only these conditions (default: all)", list_of(*CONDITIONS)),
    Option(
        "--mcr-limit",
        "N",
        "N samples a task, the first of a seeded order, so that smaller runs are subsets",
        integer(1),
    ),
    Option(
        "--mcr-suite",
        "NAMES",
        f"built-in suites to run: {', '.join(SUITES)} or all (default: {', '.join(DEFAULT_SUITES)})",
        suites,
        DEFAULT_SUITES,
    ),
    Option(
        "--mcr-profile",
        "NAME",
        "thresholds: release (default), strict, or report (none: measure only)",
        one_of(*PROFILES),
        "release",
    ),
    Option(
        "--mcr-gate",
        "EXPR",
        "a gate in place of the profile's, e.g. 'tir[adversarial] <= 0.30@95' or "
        "'SER.accuracy[faithful] >= 0.9'; repeatable",
        str,
        (),
        repeat=True,
    ),
    Option("--mcr-add-gate", "EXPR", "a gate beside the profile's; repeatable", str, (), repeat=True),
    Option(
        "--mcr-min-accuracy",
        "[COND=]X",
        "shorthand for --mcr-gate 'accuracy[COND] >= X' (COND: adversarial)",
        shorthand("accuracy", ">=", condition=True),
        (),
        repeat=True,
    ),
    Option(
        "--mcr-max-tir",
        "[COND=]X",
        "shorthand for --mcr-gate 'tir[COND] <= X' (COND: adversarial)",
        shorthand("tir", "<=", condition=True),
        (),
        repeat=True,
    ),
    Option(
        "--mcr-min-mrs",
        "X",
        "shorthand for --mcr-gate 'mrs >= X'",
        shorthand("mrs", ">=", condition=False),
        (),
        repeat=True,
    ),
    Option(
        "--mcr-mrs-alpha",
        "X",
        "weight of the adversarial ratio in the Modal Robustness Score (default 0.8)",
        number(0, 1),
        0.8,
    ),
    Option("--mcr-seed", "N", "seed of subsets, permutations and orders (default 0)", integer(0), 0),
    Option(
        "--mcr-prevalence",
        "X",
        "share of your requests in which text and audio conflict, for the expected errors "
        "per 1,000 requests (default 0.05)",
        number(0, 1),
        0.05,
    ),
    Option(
        "--mcr-max-errors",
        "X",
        "share of errors a task and condition may have before the run is INVALID (default 0.01; "
        "one case is always allowed)",
        number(0, 1),
        0.01,
    ),
    Option(
        "--mcr-max-unparsed",
        "X",
        "the same for answers in which no label can be read (default 0.05)",
        number(0, 1),
        0.05,
    ),
    Option(
        "--mcr-answer",
        "generate|score",
        "greedy text through the matcher (default), or the best-scoring candidate",
        one_of("generate", "score"),
        "generate",
    ),
    Option("--mcr-max-new-tokens", "N", "room for an answer (default 32, or what the template says)", integer(1)),
    Option(
        "--mcr-template",
        "NAME",
        "prompt template: discretion (default), paper or raw",
        one_of("discretion", "paper", "raw"),
        "discretion",
    ),
    Option(
        "--mcr-device",
        "auto|cpu|cuda[:N]",
        "where a local model runs (default auto: one GPU a worker, else CPU)",
        device,
        "auto",
    ),
    Option(
        "--mcr-dtype",
        "NAME",
        "auto (default: bfloat16 on a GPU, float32 on a CPU), float32, bfloat16 or float16",
        one_of("auto", "float32", "bfloat16", "float16"),
        "auto",
    ),
    Option(
        "--mcr-trust-remote-code",
        "",
        "run the Python code that a checkpoint brings along, with all your rights (default: no); without it a family "
        "that transformers does not know is refused, and its files of code are named",
        switch,
        False,
        alone=True,
    ),
    Option(
        "--mcr-cache",
        "DIR|off",
        "folder of the response cache, which a run that was cut short goes on from (default .mcr/cache); off asks the "
        "model every time",
        folder,
        DEFAULT_CACHE,
    ),
    Option(
        "--mcr-cache-size",
        "MB",
        "disk space the cache may take; the oldest answers make room (default 2000)",
        megabytes,
        megabytes("2000"),
    ),
    Option(
        "--mcr-batch-size",
        "auto|N",
        "prompts a local model is given in a forward pass (default auto: the largest that fits; halved when memory "
        "runs out)",
        automatic(1),
    ),
    Option(
        "--mcr-time-limit",
        "S",
        "end the run as partial after S seconds; what was answered is in the cache for the next run",
        number(1, 1e9),
    ),
    Option(
        "--mcr-out",
        "DIR",
        "folder for results.json and cases.jsonl (default .mcr/runs/<run id>, with a pointer .mcr/latest)",
        folder,
    ),
    *AUDIT,
    *SEQUENTIAL,
    *LIVE,
    *CONFIDENCE,
    *DOMINANCE,
    *CALIBRATION,
    *AWARENESS,
    *MITIGATION,
    *REPORT,
    *GATING,
)
