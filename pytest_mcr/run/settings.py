"""Everything a run was asked for, in one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.core.margins import Margins
from pytest_mcr.core.tiers import TIERS

REPORT: Final = "report"
"""The profile that gates nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved options of a run; each is documented at its flag in `pytest_mcr.glue.options`.

    Attributes:
        invocation_dir: where pytest was started; relative paths and ``module:factory`` specs are taken from here.
        data: root of the dataset, None for the embedded mini benchmark.
        gates: None judges the profile's gates; a tuple replaces them.
        cache: folder of the response cache, None for off.
        cache_size: bytes that it may take on disk.
        batch_size: prompts a forward pass, None for the largest that fits.
        time_limit: seconds after which the run ends as partial, None for no limit.
        examples: varied texts a clip of the dominance suite.
        dominance_samples: its clips a task.
        hunt: the long search instead of the short one.
        hunt_seconds: of the search in each process, None without a limit.
        layers: of the white-box probes, None for no probes; of the awareness suite, None for relative depths.
        awareness_samples: clips a task of the awareness suite.
        calibration: file of a calibration head, None for none.
        mitigation: repair arms, as they are written; empty for the default ones.
        tune: choose the arms' open options on a dev split.
        budget: largest faithful drop on that split.
        confidence: where it comes from: ``scores``, ``sample:K`` or ``verbal``.
        html: file of the HTML report, None for none.
        html_clips: clips that are embedded in it.
        markdown: file of the Markdown report, None for none.
        baseline: a run or a file of blessings to compare with, None for none.
        margin: accuracy that may be lost against it.
        audit: what flaws of the dataset do: ``warn`` or ``strict``.
        tier: size of the run, None for all or what ``limit`` says.
        early_stop: end the run when its gates are decided.
        plan: only print what would be asked.
        quiet: print nothing while the run goes on.
        trust_remote_code: a checkpoint's own Python code may run.
        out: folder for the results, None for ``.mcr/runs/<run id>``.
    """

    invocation_dir: Path
    model: str
    data: Path | None
    tasks: tuple[str, ...] | None
    conditions: tuple[str, ...] | None
    limit: int | None
    suites: tuple[str, ...]
    profile: str
    gates: tuple[str, ...] | None
    add_gates: tuple[str, ...]
    mrs_alpha: float
    seed: int
    prevalence: float
    max_errors: float
    max_unparsed: float
    answer: str
    max_new_tokens: int | None
    template: str
    device: str
    dtype: str
    cache: Path | None
    cache_size: int
    batch_size: int | None
    time_limit: float | None
    out: Path | None
    trust_remote_code: bool = False
    audit: str = "warn"
    tier: str | None = None
    early_stop: bool = False
    plan: bool = False
    quiet: bool = False
    confidence: str = "scores"
    examples: int = 8
    dominance_samples: int = 10
    hunt: bool = False
    hunt_seconds: float | None = None
    fail_on_finding: bool = False
    layers: str | None = None
    calibration: Path | None = None
    awareness_samples: int = 200
    mitigation: tuple[str, ...] = ()
    tune: bool = False
    budget: float = 0.05
    html: Path | None = None
    html_clips: int = 12
    markdown: Path | None = None
    baseline: Path | None = None
    margin: Margins = field(default_factory=Margins)

    @property
    def samples_a_task(self) -> int | None:
        """The first so many of each task's seeded order, None for all."""
        return self.limit if self.tier is None else TIERS[self.tier]

    def to_json(self) -> dict[str, object]:
        """The settings as builtins, for ``results.json``."""
        values: dict[str, object] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Path):
                value = str(value)
            elif isinstance(value, tuple):
                value = list(value)
            elif is_dataclass(value) and not isinstance(value, type):
                value = asdict(value)
            if entry.name != "invocation_dir":
                values[entry.name] = value
        return values
