"""Fixtures shared by the unit and the plugin tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: these machines are shared. The same examples in every run of the integration, new ones at a desk.
settings.register_profile("tests", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random Qwen2-Audio checkpoint with a window of 4 s."""
    from tests.unit.tiny import build  # imports torch: only where a test asks for it

    return build(tmp_path_factory.mktemp("tiny") / "qwen2-audio")
