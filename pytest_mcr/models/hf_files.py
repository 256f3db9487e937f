"""A transformers checkpoint as files: find it, look at it before torch is imported, and identify its bytes."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models import adapter_files
from pytest_mcr.models.choices import Choice
from pytest_mcr.models.hf_remote import require_trust

OPTIONS: Final[Mapping[str, Choice]] = MappingProxyType(
    {
        "adapter": Choice("folder of a LoRA adapter, on in every branch; for models without one", metavar="DIR"),
        "attn": Choice(
            "attention implementation of transformers (default: its own choice); flash and flex need their packages",
            ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention"),
        ),
        "dtype": Choice(
            "number format, in place of --mcr-dtype",
            ("auto", "float32", "bfloat16", "float16"),
        ),
        "generation": Choice(
            "greedy: the argmax of raw logits (default); model: as the checkpoint's generation config says",
            ("greedy", "model"),
        ),
        "order": Choice(
            "of clip and text in the user turn (default audio-first); text-first cannot share a clip's prefix",
            ("audio-first", "text-first"),
        ),
        "system": Choice("a system turn before the user turn, e.g. system=Be%20brief."),
    }
)
"""Options of ``hf:``, folders and ``lab``."""

WANTED: Final = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "*.tiktoken")
"""What is fetched from a repository: no code, no pickles."""
CODE: Final = ("*.py",)
"""What is fetched besides where its own code is trusted."""

REFUSED: Final = {
    "voxtral_realtime": "it transcribes a stream and takes no question",
    "phi4_multimodal": "its speech LoRA must be selected by hand, or it hears badly",
    "kyutai_speech_to_text": "it transcribes a stream and takes no question",
}
"""Families (``config.model_type``) that the generic path would measure wrongly, and why."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BLOB: Final = re.compile(r"[0-9a-f]{64}")


def require_libraries() -> None:
    """Say how to install what this adapter needs.

    Raises:
        ModelError: torch or transformers is not installed.
    """
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"{' and '.join(missing)} not installed; type: pip install 'pytest-mcr[hf]'")


def locate(repo: str, revision: str | None, *, code: bool = False) -> Path:
    """The local snapshot of a hub repository, downloaded where a network is there.

    Args:
        repo: owner and name.
        revision: branch, tag or commit; None for the default branch. The snapshot is of the commit that it stands for.
        code: fetch the repository's own Python code as well.

    Raises:
        ModelError: no such repository or revision, no access, or neither a network nor a complete copy in the cache.
    """
    require_libraries()
    from huggingface_hub import errors, snapshot_download

    name = f"hf:{repo}" + (f"@{revision}" if revision else "")
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=[*WANTED, *(CODE if code else ())]))
    except errors.GatedRepoError:
        raise ModelError(
            f"{name}: access must be granted first; accept its terms on the hub, then: hf auth login"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"{name}: no such repository, or it is private; check the name, or: hf auth login") from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{name}: the repository has no revision {revision!r}; give a branch, tag or commit") from None
    except (errors.HFValidationError, errors.LocalEntryNotFoundError, OSError) as error:
        cause = " ".join(str(error.__cause__ or error).split())[:120]
        fetch = f"hf download {repo}" + (f" --revision {revision}" if revision else "") + " --local-dir FOLDER"
        raise ModelError(
            f"{name}: the hub cannot be reached and no complete copy is cached ({cause}); where there is a network "
            f"type: {fetch}, copy the folder here and pass it: --mcr-model ./FOLDER"
        ) from None


def inspect(folder: Path, *, trust_remote_code: bool = False) -> dict[str, Any]:
    """Look at a checkpoint without loading it.

    Args:
        folder: of the checkpoint.
        trust_remote_code: its own Python code may run.

    Returns:
        Its ``config.json``.

    Raises:
        ModelError: no folder, no readable config, a family this version does not serve or that only the checkpoint's
            own code could load, or weights that are absent or pickled.
    """
    if not folder.is_dir():
        raise ModelError(f"no such folder: {folder}; expected a transformers checkpoint with config.json")
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (folder / adapter_files.CONFIG).is_file():
            raise ModelError(
                f"{folder} holds a LoRA adapter and no model; type: --mcr-model 'MODEL?adapter={folder}'"
            ) from None
        raise ModelError(f"{folder} has no config.json; expected a folder made by save_pretrained()") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from None
    family = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(family, str):
        raise ModelError(f"{path} has no model_type; expected a transformers checkpoint")
    if family in REFUSED:
        raise ModelError(f"{folder}: family {family} is not served by this version: {REFUSED[family]}")
    if not trust_remote_code:
        require_trust(folder, family)
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        found = f"only pickled weights ({pickled[0]}), which can run code" if pickled else "no weights"
        raise ModelError(f"{folder} has {found}; expected *.safetensors: save_pretrained(...) writes them")
    checked: dict[str, Any] = config
    return checked


def revision_of(folder: Path) -> str | None:
    """The commit that a checkpoint is of: of a hub snapshot, or where its config says so; else None."""
    if folder.parent.name == "snapshots":
        return folder.name
    try:
        commit = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_commit_hash")
    except (OSError, ValueError, AttributeError):
        return None
    return commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of every file that can change an answer."""
    total = hashlib.sha256()
    for path in _files(folder):
        stat = path.stat()
        total.update(f"{path.name}\0{_content(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return total.hexdigest()


def weights_digest(folder: Path) -> str:
    """sha256 over the names and bytes of the weight files alone: what an adapter is trained on."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        stat = path.stat()
        total.update(f"{path.name}\0{_content(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    names = {path.name: path for pattern in WANTED for path in folder.glob(pattern) if path.is_file()}
    return (names[name] for name in sorted(names))


@functools.cache
def _content(path: Path, _size: int, _mtime_ns: int) -> str:
    """sha256 of a file; size and time are in the key, so that a file written anew is read anew.

    A file of the hub's cache is a link to a blob that is named by its own sha256; 15 GB need not be read to know it.
    """
    blob = path.resolve()
    if path.is_symlink() and blob.parent.name == "blobs" and _BLOB.fullmatch(blob.name):
        return blob.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
