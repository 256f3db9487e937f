"""``--mcr-plan``: what a run would be, printed without running it."""

from __future__ import annotations

import pytest

from pytest_mcr.errors import McrError
from pytest_mcr.glue import options


def show(config: pytest.Config) -> int:
    """Print the plan; no model is loaded and nothing is asked.

    By `print`, because there is no session to report on.

    Returns:
        The exit code.

    Raises:
        UsageError: a bad option, dataset or model.
    """
    if not options.model_spec(config):
        raise pytest.UsageError("--mcr-plan needs a model to plan for; add --mcr-model SPEC, e.g. --mcr-model lab")
    try:
        print("\n".join(lines(config)))
    except McrError as error:
        raise pytest.UsageError(str(error)) from None
    return 0


def lines(config: pytest.Config) -> list[str]:
    """The plan of the tier that was chosen, or of all three.

    Raises:
        McrError: a bad option, dataset or model.
    """
    # Statistics and data are imported where they are needed, as everywhere without a model.
    from pytest_mcr.core.profiles import load_profile
    from pytest_mcr.core.tiers import TIERS
    from pytest_mcr.data import release
    from pytest_mcr.data.shipped import fixture, suite
    from pytest_mcr.glue.session import gates_of
    from pytest_mcr.models.resolve import check
    from pytest_mcr.models.spec import parse_spec
    from pytest_mcr.report.plan_words import plan_lines
    from pytest_mcr.run.design import design
    from pytest_mcr.run.former_runs import newest_first
    from pytest_mcr.run.plan import former_pace, plan_tier
    from pytest_mcr.run.record import KNOWN_DATA

    settings = options.settings_of(config)
    spec = parse_spec(settings.model, invocation_dir=settings.invocation_dir)
    check(spec, settings.invocation_dir, trust_remote_code=settings.trust_remote_code)
    whole = release.load(settings.data or fixture("mini-mcr")).select(tasks=settings.tasks)
    profile = load_profile(suite("profiles.toml"), settings.profile)
    gates = gates_of(settings, profile, whole.tasks, design(whole.samples, settings.conditions))
    least = profile.least_eligible_clusters
    tiers = [settings.tier] if settings.tier else list(TIERS)
    plans = [plan_tier(tier, whole, settings, gates, least, settings.seed) for tier in tiers]
    former = newest_first(settings.invocation_dir / ".mcr" / "runs")
    pace = former_pace([*([settings.out] if settings.out else []), *former], spec.text, whole.digest)
    data = KNOWN_DATA.get(whole.kind, f"{whole.kind} data in {whole.root}")
    title = f"{spec.text} on {data}, profile {settings.profile}"
    return list(plan_lines(title, plans, pace, options.workers(config), gates=len(gates)))
