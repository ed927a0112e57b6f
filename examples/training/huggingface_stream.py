"""A stream of a manifest's rows, read by a worker: ``python huggingface_stream.py DATA.parquet MANIFEST.parquet``."""

import sys

from datasets import load_dataset
from torch.utils.data import DataLoader

from ted_client.subset import retained

data, manifest = sys.argv[1:]
dataset = load_dataset("parquet", data_files=data, split="train", streaming=True)

stream = retained(dataset, manifest)  # the one line

loader = DataLoader(stream.remove_columns("image").with_format("torch"), batch_size=64, num_workers=1)
print(f"streamed {sum(len(batch['label']) for batch in loader)} rows")
