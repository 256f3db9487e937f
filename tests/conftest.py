"""Fixtures shared by the unit and the plugin tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random Qwen2-Audio checkpoint with a window of 4 s."""
    from tests.unit.tiny import build  # imports torch: only where a test asks for it

    return build(tmp_path_factory.mktemp("tiny") / "qwen2-audio")
