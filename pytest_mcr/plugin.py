"""Entry point of the pytest plugin: options and fixtures always, everything else only with ``--mcr-model``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mcr.errors import McrError
from pytest_mcr.glue import awareness, collect, confiding, mitigating, options, probing, rootdir
from pytest_mcr.glue.awareness import mcr_awareness as mcr_awareness
from pytest_mcr.glue.collect import mcr_case as mcr_case
from pytest_mcr.glue.collect import mcr_model as mcr_model
from pytest_mcr.glue.confiding import mcr_confidence as mcr_confidence
from pytest_mcr.glue.mitigating import mcr_repair as mcr_repair
from pytest_mcr.glue.probing import mcr_hunted as mcr_hunted
from pytest_mcr.glue.probing import mcr_layers as mcr_layers
from pytest_mcr.glue.probing import mcr_varied as mcr_varied


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the flags and their ini twins."""
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Keep the project's root where it is when our options name other folders."""
    rootdir.restore(early_config, args)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """``--mcr-model help``: list what may be given; ``--mcr-plan``: say what a run would be; no test runs."""
    if options.wants_listing(config):
        from pytest_mcr.glue.listing import show

        return show()
    if not options.is_worker(config) and options.wants_plan(config):
        from pytest_mcr.glue.planning import show as show_plan

        return show_plan(config)
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Register the role objects when a model is asked for."""
    if options.model_spec(config):
        from pytest_mcr.glue.session import start

        try:
            start(config)
        except McrError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Name the built-in suites alike wherever they are installed."""
    return collect.suite_module(module_path, parent)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case, a task or a clip."""
    collect.parametrize(metafunc)
    confiding.parametrize(metafunc)
    probing.parametrize(metafunc)
    awareness.parametrize(metafunc)
    mitigating.parametrize(metafunc)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: one worker a GPU, else one for a local model; xdist asks before anything is configured."""
    if not options.model_spec(config) or options.wants_listing(config):
        return None
    from pytest_mcr.glue.session import auto_workers

    return auto_workers(config)
