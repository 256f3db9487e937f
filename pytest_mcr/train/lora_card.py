"""The card of a trained adapter: what it was made of and by which command."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill, wrap
from typing import Any

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.train.lora_data import SYNTHETIC

FLAGS = ("samples", "epochs", "steps", "batch", "accumulate", "lr", "rank", "dev", "seed", "template", "threads")


def command_of(facts: Mapping[str, Any]) -> str:
    """The command that makes this adapter again."""
    data = SYNTHETIC if facts["data"] == SYNTHETIC else "DIR"
    mix = ",".join(f"{name}={share:g}" for name, share in shares_of(facts))
    flags = " ".join(f"--{name} {facts[name]}" for name in FLAGS if facts[name] is not None)
    lines = [
        f"python -m pytest_mcr.train.lora --model {facts['model']} --data {data} --out OUT",
        f"--mix {mix}",
        *wrap(flags, 100, break_on_hyphens=False),
    ]
    return " \\\n  ".join(lines)


def shares_of(facts: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The mix in the order of the conditions."""
    return [(name, facts["mix"][name]) for name in CONDITIONS if name in facts["mix"]]


def adapter_card(facts: Mapping[str, Any]) -> str:
    """Render the card.

    Args:
        facts: as in ``training.json``.
    """
    shares = ", ".join(f"{name} {share:.0%}" for name, share in shares_of(facts))
    rows = "\n".join(f"| {step:.0f} | {loss:.4f} | {dev:.4f} |" for step, loss, dev in facts["history"])
    used = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    made = fill(f"* {facts['dtype']} on {facts['device']}, with {used}.", 118, subsequent_indent="  ")
    licence = (
        "Licence of the weights: CC0-1.0; all training material is synthetic."
        if facts["data"] == SYNTHETIC
        else f"Trained on a dataset with digest {facts['data'][:12]}; the licences of its clips apply."
    )
    return f"""# A LoRA adapter for {facts["model"]}, trained on audio and text that disagree

```
{command_of(facts)}
```

{facts["parameters"]} parameters on the linear layers of the language model's attention and MLP.
{licence}

* Examples: {facts["samples"]}, of which {shares}.
  Only the answer and the end of the turn are learned.
* Steps: {facts["steps_taken"]}; kept are the weights of step {facts["kept_step"]}, with the least dev loss.
* sha256 of the weights: `{facts["weights"]}`.
* sha256 of the model's weight files: `{facts["base_weights"]}`.
{made}

| step | loss, nats a token | dev loss |
|---|---|---|
{rows}
"""
