"""A tiny tokenizer in mistral-common's own format: single bytes and a few words, with the control tokens of Voxtral."""

import base64
import json
from pathlib import Path

CONTROL = {
    0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]", 6: "[/AVAILABLE_TOOLS]",
    7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]", 10: "[IMG]", 11: "<pad>", 12: "[IMG_BREAK]",
    13: "[IMG_END]", 14: "[PREFIX]", 15: "[MIDDLE]", 16: "[SUFFIX]", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]",
    19: "[TOOL_CONTENT]", 24: "[AUDIO]", 25: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]",
}  # fmt: skip
SPECIAL = 40
MERGES = (b"th", b"the", b"do", b"dog", b"no", b"ye", b"yes", b" a", b" t", b" the", b"ex", b"Tex", b"Text", b"an")


def save_tokenizer(folder: Path) -> Path:
    """Write ``tekken.json`` and return its path."""
    pieces = [bytes([number]) for number in range(256)] + [piece for piece in MERGES if len(piece) > 1]
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(piece).decode(), "token_str": piece.decode("latin-1")}
        for rank, piece in enumerate(pieces)
    ]
    special = [
        {"rank": rank, "token_str": CONTROL.get(rank, f"<SPECIAL_{rank}>"), "is_control": True}
        for rank in range(SPECIAL)
    ]
    size = len(pieces) + SPECIAL
    spectrogram = {"num_mel_bins": 128, "hop_length": 160, "window_size": 400}
    written = {
        "config": {
            "pattern": r"[^\s]+|\s+", "num_vocab_tokens": len(pieces), "default_vocab_size": size,
            "default_num_special_tokens": SPECIAL, "version": "v7",
        },
        "vocab": vocab,
        "special_tokens": special,
        "audio": {
            "sampling_rate": 16000, "frame_rate": 12.5, "audio_encoding_config": spectrogram, "chunk_length_s": 30.0,
        },
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tekken.json"
    path.write_text(json.dumps(written))
    return path
