"""A language model of a few thousand random weights, with a tokenizer and a chat template of its own."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LINES = [
    "Name the capital of France. Paris is the capital of France.",
    "Add two and three. The sum of two and three is five.",
    "Say it in other words: the cat sat on the mat. A cat was sitting on a mat.",
]
VOCABULARY, WIDTH = 320, 32
START, END = "<|start|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for turn in messages %}"
    "{{ '<|start|>' + turn['role'] + '\n' + turn['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs as GPT-2 has them; whatever the text, no byte is unknown."""
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[START, END], initial_alphabet=alphabet, show_progress=False
    )
    pairs.train_from_iterator(LINES, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pairs, bos_token=START, eos_token=END, pad_token=END)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_language_model(
    folder: Path, *, width: int = WIDTH, layers: int = 2, dropout: float = 0.0, seed: int = 0
) -> Path:
    """A Llama of two layers and its tokenizer, written into the folder, which is returned."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,
        attention_dropout=dropout,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def tiny_gguf(path: Path, *, seed: int = 0) -> Path:
    """A Llama of one layer in a single file, as llama.cpp writes it, with the same tokenizer and template."""
    chance, tokenizer = np.random.default_rng(seed), tiny_tokenizer()
    pairs = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    words = sorted(pairs["vocab"], key=pairs["vocab"].get)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(path.stem)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if word in (START, END) else gguf.TokenType.NORMAL for word in words]
    )
    writer.add_token_merges([" ".join(pair) for pair in pairs["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, shape in _tensors(len(words)).items():
        writer.add_tensor(name, chance.normal(0, 0.2, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(words: int) -> dict[str, tuple[int, ...]]:
    square, wide = (WIDTH, WIDTH), (2 * WIDTH, WIDTH)
    layer = {
        **dict.fromkeys(["attn_q", "attn_k", "attn_v", "attn_output"], square),
        **dict.fromkeys(["ffn_gate", "ffn_up"], wide),
        "ffn_down": wide[::-1],
        **dict.fromkeys(["attn_norm", "ffn_norm"], (WIDTH,)),
    }
    blocks = {f"blk.0.{name}.weight": shape for name, shape in layer.items()}
    return {"token_embd.weight": (words, WIDTH), "output_norm.weight": (WIDTH,)} | blocks
