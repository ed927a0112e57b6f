"""A torch loop that prunes as it goes: ``python progressive_rounds.py DATA.parquet DECISIONS.parquet``."""

import io
import sys

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from ted_client.subset import ProgressiveSampler

data, decisions = sys.argv[1:]
table = pq.read_table(data)
pictures = np.stack([np.asarray(Image.open(io.BytesIO(picture))) for picture in table["image"].to_pylist()])
dataset = TensorDataset(torch.from_numpy(pictures).flatten(1) / 255, torch.tensor(table["label"].to_pylist()))

loader = DataLoader(dataset, batch_size=64, sampler=ProgressiveSampler(decisions, epochs=10))  # the one line

model = torch.nn.Linear(pictures[0].size, 10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
visits = []
for _ in range(10):
    visits.append(len(loader.sampler))
    for inputs, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
print(f"trained on {visits[0]} rows at first and on {visits[-1]} at last")
