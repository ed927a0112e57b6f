"""A Hugging Face Trainer on a manifest's rows: ``python huggingface_trainer.py DATA.parquet MANIFEST.parquet``."""

import sys
import tempfile

import numpy as np
import torch
from datasets import Image, load_dataset
from transformers import Trainer, TrainingArguments

from ted_client.subset import retained

data, manifest = sys.argv[1:]
cache = tempfile.mkdtemp()
dataset = load_dataset("parquet", data_files=data, split="train", cache_dir=cache).cast_column("image", Image())

train = retained(dataset, manifest)  # the one line: a Dataset, which maps and knows its features as before


class Classifier(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)

    def forward(self, pixels: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.layer(pixels)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def pixels_of(row: dict) -> dict:
    return {"pixels": np.asarray(row["image"], np.float32).ravel() / 255, "labels": row["label"]}


arguments = TrainingArguments(
    cache, num_train_epochs=3, per_device_train_batch_size=64, learning_rate=0.05, use_cpu=True, disable_tqdm=True,
    save_strategy="no", report_to=[],
)  # fmt: skip
trainer = Trainer(Classifier(), arguments, train_dataset=train.map(pixels_of, remove_columns=train.column_names))
loss = trainer.train().training_loss
print(f"trained on {len(train)} of {len(dataset)} rows, to a mean loss of {loss:.2f}")
