"""A tiny checkpoint of a family that transformers does not know: it loads through its own Python code only."""

import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

CONFIGURATION = """
from transformers import Qwen2AudioConfig


class EarConfig(Qwen2AudioConfig):
    model_type = "tiny_ear"
"""
MODELING = """
from pathlib import Path

from transformers import Qwen2AudioForConditionalGeneration

from .configuration_ear import EarConfig

RAN = "{ran}"
if RAN:
    Path(RAN).write_text("this code ran")


class EarForConditionalGeneration(Qwen2AudioForConditionalGeneration):
    config_class = EarConfig
"""
AUTO_MAP = {
    "AutoConfig": "configuration_ear.EarConfig",
    "AutoModelForMultimodalLM": "modeling_ear.EarForConditionalGeneration",
}


def build(tiny_model_dir: Path, folder: Path, ran: Path | None = None) -> Path:
    """Save the tiny Qwen2-Audio under another family, with code that writes the file `ran` when it is run."""
    shutil.copytree(tiny_model_dir, folder)
    (folder / "configuration_ear.py").write_text(CONFIGURATION)
    (folder / "modeling_ear.py").write_text(MODELING.format(ran=ran or ""))
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("language_model.lm_head.weight")  # old names are mapped for known families
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "tiny_ear", "auto_map": AUTO_MAP}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
