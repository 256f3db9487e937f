"""What happens once in each process when a model is asked for: resolve, load the manifest, register by role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mcr.core.case import Case
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.confidence import measured
from pytest_mcr.core.grammar import Gate, needs, parse_gate, require_companions
from pytest_mcr.core.profiles import Profile, load_profile
from pytest_mcr.data import release
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture, suite
from pytest_mcr.errors import McrError, OptionError
from pytest_mcr.glue import awareness, options
from pytest_mcr.glue.carrier import Carrier
from pytest_mcr.glue.collect import RUN, real_path, suite_files, suite_id
from pytest_mcr.glue.flags import DEFAULT_CACHE
from pytest_mcr.glue.standards import against_of
from pytest_mcr.models.resolve import check, kind
from pytest_mcr.models.spec import Spec, parse_spec
from pytest_mcr.report.files import check_files
from pytest_mcr.report.results import check_folder
from pytest_mcr.run.conclude import Conclusion
from pytest_mcr.run.early_order import in_order
from pytest_mcr.run.mitigation import check_arms, check_gate
from pytest_mcr.run.provenance import utc_now
from pytest_mcr.run.recording import check_recording
from pytest_mcr.run.run import Run
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.stated import check_stated

if TYPE_CHECKING:
    from pytest_mcr.run.early_stop import EarlyStop

LOCAL_KINDS = ("hub", "folder", "lab", "exec", "custom")


def start(config: pytest.Config) -> None:
    """Register the carrier where tests run, and the controller where results are gathered.

    Raises:
        McrError: a bad option, dataset or model.
    """
    by_path = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else ()
    settings = awareness.by_path(options.settings_of(config), by_path)
    spec = parse_spec(settings.model, invocation_dir=settings.invocation_dir)
    from_controller: dict[str, Any] = getattr(config, "workerinput", {}).get("mcr", {})
    is_worker = options.is_worker(config)
    if not is_worker:
        check(spec, settings.invocation_dir, trust_remote_code=settings.trust_remote_code)
        check_cache(settings)
    dataset = load_data(settings)
    device = from_controller.get("device") if settings.device == "auto" else None
    run = Run(settings, dataset, spec, device, from_controller.get("threads"))
    config.stash[RUN] = run
    if settings.early_stop:
        run.cases = in_order(run.cases, settings.seed)
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        config.args = [real_path(arg, settings.invocation_dir) for arg in config.args]
    else:
        config.args = [str(suite(file)) for file in suite_files(settings.suites)]
    distributed = not is_worker and options.workers(config) > 0
    if not distributed:
        config.pluginmanager.register(Carrier(run, options.worker_name(config)), "mcr-carrier")
    if not is_worker:
        control(config, run, spec)


def control(config: pytest.Config, run: Run, spec: Spec) -> None:
    """Register what only the controller does."""
    from pytest_mcr.glue.controller import Controller

    settings = run.settings
    check_recording(spec, settings, run.dataset)
    check_stated(spec, settings)
    check_arms(settings, run.dataset)
    profile = load_profile(suite("profiles.toml"), settings.profile)
    gates = gates_of(settings, profile, run.dataset.tasks, run.cases)
    argv = [str(word) for word in config.invocation_params.args]
    now = utc_now()
    against = against_of(settings, run, (settings.invocation_dir, config.rootpath), now.date())
    conclusion = Conclusion(settings, run.dataset, run.cases, spec, profile, gates, argv, now, against)
    check_folder("--mcr-out", conclusion.out)
    check_files(settings)
    if settings.early_stop:
        conclusion.early = early_stop(settings, run, profile, gates)
    if settings.audit == "strict" and not options.is_collect_only(config):
        from pytest_mcr.run.data_audit import audit_data  # decodes every clip: only where it is asked for

        conclusion.examined = audit_data(run.dataset)
    run.deadline.start()
    controller = Controller(config, conclusion, suite_id("bench"), run.deadline)
    config.pluginmanager.register(controller, "mcr-controller")
    if options.workers(config) > 0:
        from pytest_mcr.glue.distribution import Distribution

        local = kind(spec) in LOCAL_KINDS
        distribution = Distribution(config, tasks=run.dataset.tasks, chunk=run.chunk_size, local_model=local)
        config.pluginmanager.register(distribution, "mcr-distribution")


def early_stop(settings: Settings, run: Run, profile: Profile, gates: Sequence[Gate]) -> EarlyStop:
    """What can end the run early.

    Raises:
        OptionError: there is no gate to decide.
    """
    from pytest_mcr.run.early_stop import EarlyStop  # its statistics are imported only where they are asked for

    if not gates:
        raise OptionError(f"--mcr-early-stop needs a gate to decide, and profile {settings.profile} has none; drop one")
    least = profile.least_eligible_clusters if settings.gates is None else 0
    own = [gate for gate in gates if gate.explicit or measured(gate.metric, settings.suites)]
    return EarlyStop(run.cases, run.dataset, own, seed=settings.seed, alpha=settings.mrs_alpha, least=least)


def check_cache(settings: Settings) -> None:
    """Refuse a cache folder that was asked for and cannot be written; the default one is done without.

    Raises:
        OptionError: naming the folder.
    """
    if settings.cache is not None and settings.cache != settings.invocation_dir / DEFAULT_CACHE:
        check_folder("--mcr-cache", settings.cache)


def load_data(settings: Settings) -> Dataset:
    """The chosen samples.

    Raises:
        DataError: the data is not in the release layout, or a task is unknown.
    """
    dataset = release.load(settings.data or fixture("mini-mcr"))
    return dataset.select(tasks=settings.tasks, limit=settings.samples_a_task, seed=settings.seed)


def gates_of(settings: Settings, profile: Profile, tasks: Sequence[str], cases: Sequence[Case]) -> list[Gate]:
    """The gates to judge: the profile's with additions, or those given in their place.

    Raises:
        OptionError: a gate cannot be parsed, or one that was asked for needs a condition that the design lacks.
    """
    present = {case.condition for case in cases}
    given = [parse_gate(text, tasks=tasks) for text in (*(settings.gates or ()), *settings.add_gates)]
    for gate in given:
        suite = METRICS[gate.metric].suite
        if not measured(gate.metric, settings.suites):
            raise OptionError(
                f"gate {gate.expr!r} needs the {suite} suite, which this run does not have; type --mcr-suite "
                f"{','.join((*settings.suites, suite))}"
            )
        check_gate(settings, gate)
        absent = sorted(needs(gate) - present)
        if absent:
            raise OptionError(
                f"gate {gate.expr!r} needs the condition {', '.join(absent)}, which this run does not have; "
                f"drop the gate, or add it to --mcr-conditions"
            )
    chosen = given if settings.gates is not None else [*profile.gates, *given]
    require_companions(chosen)
    return chosen


def auto_workers(config: pytest.Config) -> int | None:
    """Number of workers for ``-n auto``: the GPUs, else one where the model is local; None leaves it to xdist.

    One is enough for an endpoint, too: it asks many questions at once, and more processes would multiply its limits.
    """
    from pytest_mcr.glue.distribution import gpus

    try:
        settings = options.settings_of(config)
        spec = parse_spec(settings.model, invocation_dir=settings.invocation_dir)
    except McrError as error:
        raise pytest.UsageError(str(error)) from None
    if kind(spec) == "endpoint":
        return 1
    return max(1, len(gpus())) if kind(spec) in LOCAL_KINDS else None
