"""Folders of pretrained models of any size whose weights take no room on the disk."""

import json
import os
import struct
from pathlib import Path


def sparse_encoder(folder: Path, width: int, *, words: int = 1000) -> Path:
    """Make a folder that looks like an encoder of two linear layers of this width; its weights are a hole in a file."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": width, "max_position_embeddings": 512}))
    (folder / "tokenizer.json").write_text("{}")
    shapes = {f"layer.{number}.weight": [width, width] for number in range(2)} | {"words.weight": [words, width]}
    tensors = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    header = json.dumps(tensors).encode()
    weights = folder / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(weights, weights.stat().st_size + 4 * (2 * width + words) * width)
    return folder
