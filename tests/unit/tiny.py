"""A tiny, random, real Qwen2-Audio checkpoint: real classes, real processor, real byte-level BPE, no training.

Random weights prove plumbing and equality of numbers, nothing about answers. ``initializer_range`` is 0.2, because
at the default of 0.02 a wrong position id moves the logits by less than the tolerance of the tests.
"""

# mypy: allow-untyped-calls
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
CORPUS = [
    "Listen to the audio and answer the question. A text about the audio may come with it.",
    "Text: A dog is barking in the yard. Question: Is there a dog? Answer with one of these: yes, no.",
    "system You are a helpful assistant. user Audio 1: assistant",
    "Laughter Cough Sneeze Sniff Sigh happy sad angry neutral",
]


def build(
    folder: Path,
    *,
    seconds: int = 4,
    hidden: int = 64,
    layers: int = 2,
    audio_hidden: int = 32,
    audio_layers: int = 2,
    initializer_range: float = 0.2,
    sliding_window: int | None = None,
    seed: int = 0,
) -> Path:
    """Save a checkpoint with a window of `seconds` and return its folder."""
    tokenizer = _tokenizer()
    text_config = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": initializer_range,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "use_sliding_window": sliding_window is not None,
        "sliding_window": sliding_window,
        "max_window_layers": 1,
    }
    audio_config = {
        "model_type": "qwen2_audio_encoder",
        "d_model": audio_hidden,
        "encoder_layers": audio_layers,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 2 * audio_hidden,
        "num_mel_bins": 128,
        "max_source_positions": 50 * seconds,
    }
    config = Qwen2AudioConfig(
        audio_config=audio_config,
        text_config=text_config,
        audio_token_index=SPECIAL.index("<|AUDIO|>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2AudioForConditionalGeneration(config)
        for parameter in model.model.audio_tower.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=initializer_range)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=seconds)
    Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


FLAMINGO_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'audio' %}<sound>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_flamingo(folder: Path, *, seconds: int = 30, seed: int = 0) -> Path:
    """Save a tiny Audio Flamingo 3, whose processor cuts clips into windows of `seconds`, and return its folder."""
    tokenizer = _tokenizer()
    tokenizer.add_tokens(["<sound>"], special_tokens=True)
    config = AudioFlamingo3Config(
        audio_config={
            "model_type": "audioflamingo3_encoder",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "num_mel_bins": 128,
            "max_source_positions": 50 * seconds,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "initializer_range": 0.2,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        audio_token_id=len(tokenizer) - 1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AudioFlamingo3ForConditionalGeneration(config)
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=seconds)
    AudioFlamingo3Processor(extractor, tokenizer, chat_template=FLAMINGO_TEMPLATE).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        extra_special_tokens={
            "audio_token": "<|AUDIO|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
    )
