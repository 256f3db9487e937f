"""Python code that a checkpoint brings along: named before it could run, run only with leave, part of the fingerprint.

transformers runs such code when it is told ``trust_remote_code=True``; without it, a family that transformers itself
does not know cannot be loaded.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pytest_mcr.errors import ModelError

FLAG: Final = "--mcr-trust-remote-code"
CONFIGS: Final = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
"""Files whose ``auto_map`` names classes in a checkpoint's own code."""
AUTOS: Final = (
    "AutoModelForMultimodalLM", "AutoModelForSeq2SeqLM", "AutoModelForImageTextToText", "AutoModelForSpeechSeq2Seq",
    "AutoModelForCausalLM", "AutoModel",
)  # fmt: skip
"""Auto classes under which a checkpoint's code may offer its model, the most fitting first."""
PACKAGE: Final = "transformers_modules."
"""Where transformers imports such code from."""


def code_files(folder: Path) -> list[str]:
    """The files of code that a checkpoint's configs point to, as a user would look for them; sorted.

    Args:
        folder: of the checkpoint; a config that cannot be read points nowhere.
    """
    found: set[str] = set()
    for name in CONFIGS:
        for reference in _references(_auto_map(folder / name)):
            repository, _, module = reference.rpartition("--")
            file = f"{module.partition('.')[0]}.py"
            found.add(f"{repository}: {file}" if repository else file)
    return sorted(found)


def require_trust(folder: Path, family: str) -> None:
    """Refuse a family that only the checkpoint's own code can load.

    Args:
        folder: of the checkpoint.
        family: ``config.model_type``.

    Raises:
        ModelError: what the flag would allow.
    """
    if "AutoConfig" not in _auto_map(folder / "config.json"):
        return
    from transformers import CONFIG_MAPPING  # seconds, for such checkpoints only

    if family not in CONFIG_MAPPING:
        raise refusal(folder, f"family {family} is not known to transformers {version('transformers')}")


def refusal(folder: Path, why: str) -> ModelError:
    """The one line about a checkpoint that cannot be loaded without its own code."""
    return ModelError(
        f"{folder}: {why}, and the checkpoint brings Python code of its own ({', '.join(code_files(folder))}); "
        f"{FLAG} would run that code here with all your rights: read it first, then add the flag"
    )


def own_model_class(config: Any, folder: Path) -> Any | None:
    """The class of a model in a checkpoint's own code, None where it brings none; runs that code.

    Args:
        config: of the checkpoint, loaded.
        folder: of the checkpoint.
    """
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    offered = getattr(config, "auto_map", None) or {}
    name = next((name for name in AUTOS if name in offered), None)
    return None if name is None else get_class_from_dynamic_module(offered[name], folder)


def code_run(*loaded: object) -> dict[str, str]:
    """Files of a checkpoint's own code behind loaded objects, with the sha256 hex of each; empty where there are none.

    What was imported is hashed, and not what lies in the folder: code may come from another repository.
    """
    packages = {type(one).__module__.rpartition(".")[0] for one in loaded if type(one).__module__.startswith(PACKAGE)}
    found = {}
    for name, module in sorted(sys.modules.items()):
        source = getattr(module, "__file__", None)
        if source is not None and name.rpartition(".")[0] in packages:
            path = Path(source)
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _auto_map(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = config.get("auto_map") if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}


def _references(auto_map: dict[str, Any]) -> list[str]:
    """``module.Class`` or ``owner/repository--module.Class``; a tokenizer has a pair, of which one may be absent."""
    found = []
    for value in auto_map.values():
        found += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return found
