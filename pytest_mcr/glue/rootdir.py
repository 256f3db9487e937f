"""Undo a mistake that pytest makes for every plugin with path options.

pytest looks for the project's root before it knows a plugin's options, so in ``--mcr-data ../bench`` it takes the value
for a test path: the dataset becomes the root folder, the project's ini keys (gates among them) are silently not read,
and a cache folder is written beside the audio. ``--mcr-data=../bench`` is read rightly; this makes both alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _pytest.config.findpaths import determine_setup

from pytest_mcr.glue import options
from pytest_mcr.glue.flags import OPTIONS

if TYPE_CHECKING:
    import pytest


def restore(config: pytest.Config, args: list[str]) -> None:
    """Look for the root again, now that the options are known; does nothing where none of ours is given.

    Args:
        config: before conftests are loaded.
        args: the words of the command line; pytest parses this very list once more, so ini ``addopts`` go in front.
    """
    known = config.known_args_namespace
    if known.rootdir or known.inifilename or not any(getattr(known, option.dest, None) for option in OPTIONS):
        return
    rootpath, inipath, inicfg, _ = determine_setup(
        inifile=None,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=None,
        invocation_dir=config.invocation_params.dir,
    )
    if rootpath == config.rootpath and inipath == config.inipath:
        return
    config._rootpath, config._inipath, config._inicfg = rootpath, inipath, inicfg
    config._inicache.clear()
    known.confcutdir = str(inipath.parent if inipath is not None else rootpath)
    config._configure_python_path()
    addopts = options.addopts(config)
    config.pluginmanager.consider_preparse(addopts, exclude_only=False)
    args[:0] = addopts
