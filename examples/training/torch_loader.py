"""A torch loop on a manifest's rows: ``python torch_loader.py DATA.parquet MANIFEST.parquet``."""

import io
import sys

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from ted_client.subset import retained

data, manifest = sys.argv[1:]
table = pq.read_table(data)
pictures = np.stack([np.asarray(Image.open(io.BytesIO(picture))) for picture in table["image"].to_pylist()])
dataset = TensorDataset(torch.from_numpy(pictures).flatten(1) / 255, torch.tensor(table["label"].to_pylist()))

loader = DataLoader(retained(dataset, manifest), batch_size=64, shuffle=True)  # the one line

model = torch.nn.Linear(pictures[0].size, 10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(10):
    for inputs, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
right = (model(dataset.tensors[0]).argmax(1) == dataset.tensors[1]).float().mean().item()
print(f"trained on {len(loader.dataset)} of {len(dataset)} rows; {right:.0%} of all are recognized")
