"""TRL's SFTTrainer on a manifest's rows: ``python trl_sft.py DATA.jsonl MANIFEST.parquet MODEL``."""

import sys
import tempfile

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from ted_client.subset import retained

data, manifest, model = sys.argv[1:]
cache = tempfile.mkdtemp()
dataset = load_dataset("json", data_files=data, split="train", cache_dir=cache)

train = retained(dataset, manifest)  # the one line

settings = SFTConfig(
    cache, max_steps=2, per_device_train_batch_size=2, max_length=64, use_cpu=True, bf16=False, disable_tqdm=True,
    save_strategy="no", report_to=[],
)  # fmt: skip
trainer = SFTTrainer(
    AutoModelForCausalLM.from_pretrained(model),
    settings,
    train_dataset=train,
    processing_class=AutoTokenizer.from_pretrained(model),
)
trainer.train()
print(f"{len(trainer.train_dataset)} of {len(dataset)} conversations to train on")
