"""Tiny pretrained models with random weights, saved as transformers saves them."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = (
    *("a", "the", "film", "play", "plot", "cast", "end", "was", "is", "not", "very", "so", ",", "."),
    *("good", "fine", "great", "bad", "dull", "poor"),
)
WIDTH = 32
PREPROCESSING = {
    "size": {"height": 16, "width": 16},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
}


def word_tokenizer(*, special: bool = True) -> PreTrainedTokenizerFast:
    """Knows WORDS; writes [CLS] and [SEP] around texts and pairs as BERT does, or nothing."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL[1]))
    tokenizer.pre_tokenizer = Whitespace()
    if special:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
        )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def tiny_encoder(folder: Path, *, seed: int = 0, special: bool = True, **options: Any) -> Path:
    """A BERT of two layers of width 32 with its tokenizer."""
    sizes = {"type_vocab_size": 2, "max_position_embeddings": 64, "num_hidden_layers": 2}
    chosen: dict[str, Any] = sizes | options
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=WIDTH,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        **chosen,
    )
    word_tokenizer(special=special).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return folder


def tiny_pair(folder: Path) -> Path:
    """A CLIP, which is a model of texts and one of images, with what both need."""
    part: dict[str, Any] = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = part | {"vocab_size": len(SPECIAL) + len(WORDS), "intermediate_size": WIDTH}
    vision = part | {"image_size": 16, "patch_size": 8, "intermediate_size": WIDTH}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH)).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    return folder


def tiny_encoder_decoder(folder: Path) -> Path:
    """A T5 with a tokenizer."""
    sizes = {"d_model": WIDTH, "d_kv": 8, "d_ff": WIDTH, "num_layers": 1, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(vocab_size=len(SPECIAL) + len(WORDS), **sizes)).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def tiny_vision_model(folder: Path, *, size: int = 16, pooler: bool = True) -> Path:
    """A vision transformer of two layers of width 32 for colour images of this size, and how it wants them."""
    config = ViTConfig(
        image_size=size,
        patch_size=8,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ViTModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    stated = PREPROCESSING | {"size": {"height": size, "width": size}}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    return folder
