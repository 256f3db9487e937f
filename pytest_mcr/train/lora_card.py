"""The card of a trained adapter: what it was made of and by which command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mcr.train.lora_data import SYNTHETIC

FLAGS = ("samples", "epochs", "steps", "batch", "accumulate", "lr", "rank", "dev", "seed", "template", "threads")


def command_of(facts: Mapping[str, Any]) -> str:
    """The command that makes this adapter again."""
    data = SYNTHETIC if facts["data"] == SYNTHETIC else "DIR"
    mix = ",".join(f"{name}={share:g}" for name, share in facts["mix"].items())
    flags = " ".join(f"--{name} {facts[name]}" for name in FLAGS if facts[name] is not None)
    return f"python -m pytest_mcr.train.lora --model {facts['model']} --data {data} --out OUT \\\n  --mix {mix} {flags}"


def adapter_card(facts: Mapping[str, Any]) -> str:
    """Render the card.

    Args:
        facts: as in ``training.json``.
    """
    shares = ", ".join(f"{name} {share:.0%}" for name, share in facts["mix"].items())
    rows = "\n".join(f"| {step:.0f} | {loss:.4f} | {dev:.4f} |" for step, loss, dev in facts["history"])
    used = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    licence = (
        "Licence of the weights: CC0-1.0; all training material is synthetic."
        if facts["data"] == SYNTHETIC
        else f"Trained on a dataset with digest {facts['data'][:12]}; the licences of its clips apply."
    )
    return f"""# A LoRA adapter for {facts["model"]}, trained on audio and text that disagree

```
{command_of(facts)}
```

{facts["parameters"]} parameters on the linear layers of the language model's attention and MLP. {licence}

* Examples: {facts["samples"]}, of which {shares}; only the answer and the end of the turn are learned.
* Steps: {facts["steps_taken"]}; kept are the weights of step {facts["kept_step"]}, with the least dev loss.
* sha256 of the weights: `{facts["weights"]}`; of the model's weight files: `{facts["base_weights"]}`.
* Made with {used}, {facts["dtype"]} on {facts["device"]}.

| step | loss, nats a token | dev loss |
|---|---|---|
{rows}
"""
