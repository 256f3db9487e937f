"""From a parsed spec to a model: cheap checks before any worker starts, then the loading itself."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import DataError, ModelError
from pytest_mcr.models import adapter_files, aliases, hf_files, oracle, replay
from pytest_mcr.models.choices import check_options
from pytest_mcr.models.endpoint_target import parse_target, require_httpx
from pytest_mcr.models.process_command import read_command
from pytest_mcr.models.protocol import Model
from pytest_mcr.models.spec import LOCAL, Spec, split_revision, suggest

KINDS: Final = {
    "hf": "hub",
    "folder": "folder",
    "lab": "lab",
    "oracle": "oracle",
    "replay": "replay",
    "exec": "exec",
    "openai": "endpoint",
    "module": "custom",
}
"""``model.kind`` of the results, by scheme."""


def kind(spec: Spec) -> str:
    """``hub``, ``folder``, ``lab``, ``oracle``, ``replay``, ``exec``, ``endpoint`` or ``custom``."""
    return KINDS[spec.scheme]


def check(spec: Spec, invocation_dir: Path, *, trust_remote_code: bool = False) -> None:
    """Find what can be wrong before a worker does any work; a hub model is downloaded here, once.

    Args:
        spec: from `parse_spec`.
        invocation_dir: where files are looked for and modules are importable from.
        trust_remote_code: a checkpoint's own Python code may run (``--mcr-trust-remote-code``).

    Raises:
        ModelError: one line that names the culprit and what to type instead.
    """
    if spec.scheme in LOCAL:
        check_options(spec, hf_files.OPTIONS)
        hf_files.require_libraries()
        adapter = adapter_folder(spec, invocation_dir)
        folder = model_folder(spec, code=trust_remote_code)
        hf_files.inspect(folder, trust_remote_code=trust_remote_code)
        _check_adapter(spec, folder, adapter)
    elif spec.scheme == "oracle":
        oracle.check(spec.rest, spec.options)
    elif spec.scheme == "exec":
        read_command(spec, invocation_dir)
    elif spec.scheme == "openai":
        parse_target(spec)
        require_httpx()
        from pytest_mcr.models import endpoint  # httpx is an extra

        endpoint.check_servers(spec)
    elif spec.scheme == "replay":
        check_options(spec, {})
        replay.read(invocation_dir / spec.rest)
    else:
        _factory(spec, invocation_dir)


def load(
    spec: Spec,
    *,
    invocation_dir: Path,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a model.

    Args:
        spec: from `parse_spec`.
        invocation_dir: as for `check`.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; for our transformers adapter.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``; the spec's own ``?dtype=`` is the more specific.
        threads: CPU threads of a local model; None leaves torch's choice.
        batch_size: prompts a forward pass of a local model; None for the largest that fits.
        trust_remote_code: as for `check`.

    Raises:
        ModelError: it cannot be loaded.
    """
    if spec.scheme in LOCAL:
        check(spec, invocation_dir, trust_remote_code=trust_remote_code)
        # Waiting threads must sleep, not spin: where another process wants the same cores (a second worker, a shared
        # CI machine) spinning makes two threads eight times slower than one. It counts only before torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
        from pytest_mcr.models import hf

        dtype = spec.options.get("dtype", dtype)
        return hf.load(
            spec,
            model_folder(spec, code=trust_remote_code),
            adapter=adapter_folder(spec, invocation_dir),
            device=device,
            dtype=dtype,
            threads=threads,
            batch_size=batch_size,
            trust_remote_code=trust_remote_code,
        )
    if spec.scheme == "oracle":
        return oracle.Oracle(spec.rest, spec.options)
    if spec.scheme == "exec":
        from pytest_mcr.models.process import ProcessModel  # numpy and process control: for those who start children

        return ProcessModel(read_command(spec, invocation_dir))
    if spec.scheme == "openai":
        require_httpx()
        from pytest_mcr.models import endpoint

        return endpoint.load(spec)
    if spec.scheme == "replay":
        check_options(spec, {})
        return replay.Replay(invocation_dir / spec.rest)
    if spec.scheme == "module":
        return _build(spec, _factory(spec, invocation_dir))
    check(spec, invocation_dir)
    raise AssertionError(f"no loader for scheme {spec.scheme!r}")


def code_digest(spec: Spec) -> str:
    """Sha256 hex of the source of a loaded ``module:factory``, empty for the schemes that are ours.

    A fingerprint that its author forgot to change must not bring back the answers of yesterday's code.
    """
    if spec.scheme != "module":
        return ""
    source = getattr(sys.modules.get(spec.rest.partition(":")[0]), "__file__", None)
    try:
        return "" if source is None else hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except OSError:
        return ""


def model_folder(spec: Spec, *, code: bool) -> Path:
    """The folder of the checkpoint of an ``hf:``, folder or lab spec; a hub model is downloaded.

    Raises:
        ModelError: it cannot be found.
    """
    if spec.scheme == "hf":
        return hf_files.locate(*split_revision(spec.rest), code=code)
    if spec.scheme == "folder":
        return Path(spec.rest)
    return _fixture(spec, aliases.ADAPTED.get(spec.rest, spec.rest))


def adapter_folder(spec: Spec, invocation_dir: Path) -> Path | None:
    """The folder of the adapter that a spec asks for; None for none.

    Raises:
        ModelError: the alias has an adapter of its own and another was asked for.
    """
    named = spec.options.get("adapter")
    if spec.rest not in aliases.ADAPTED or spec.scheme != "lab":
        return None if named is None else (invocation_dir / named).resolve()
    if named is not None:
        raise ModelError(f"model {spec.text!r}: it has an adapter of its own; type: --mcr-model 'lab?adapter={named}'")
    return _fixture(spec, spec.rest)


def _check_adapter(spec: Spec, folder: Path, adapter: Path | None) -> None:
    if adapter is None:
        return
    if (folder / adapter_files.CONFIG).is_file():
        raise ModelError(f"model {spec.text!r}: an adapter lies beside its weights already; leave adapter= out")
    adapter_files.inspect_adapter(adapter)
    adapter_files.require_base(adapter, hf_files.weights_digest(folder))


def _fixture(spec: Spec, name: str) -> Path:
    try:
        return fixture(name)
    except DataError as error:
        raise ModelError(f"model {spec.text!r}: {error}") from None


def _factory(spec: Spec, invocation_dir: Path) -> Callable[..., object]:
    module_name, _, attribute = spec.rest.partition(":")
    here = str(invocation_dir)
    if here not in sys.path:  # as `python -m pytest` does; workers, too, come through here
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may raise anything while it is imported
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"model {spec.text!r}: cannot import {module_name!r}: {type(error).__name__}: {lines[0]} "
            f"(looked in {here} and the installed packages)"
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        problem = "is not callable" if hasattr(module, attribute) else "does not exist"
        near = suggest(attribute, [name for name in vars(module) if not name.startswith("_")])
        raise ModelError(
            f"model {spec.text!r}: {attribute!r} {problem} in {module_name!r}{near}; "
            "expected a class or function that takes a mapping of options and returns a model"
        )
    factory: Callable[..., object] = found
    return factory


def _build(spec: Spec, factory: Callable[..., object]) -> Model:
    try:
        model = factory(spec.options)
    except ModelError:
        raise
    except Exception as error:  # the factory is the user's
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(f"model {spec.text!r}: the factory raised {type(error).__name__}: {lines[0]}") from error
    missing = [name for name in ("fingerprint", "respond") if not callable(getattr(model, name, None))]
    if not isinstance(getattr(model, "name", None), str):
        missing.insert(0, "name")
    if missing or not isinstance(model, Model):
        raise ModelError(
            f"model {spec.text!r}: the factory returned a {type(model).__name__} without {', '.join(missing)}; "
            "expected an object with name: str, fingerprint() and respond(requests)"
        )
    return model
