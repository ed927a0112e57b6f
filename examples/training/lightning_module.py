"""A LightningDataModule of a manifest's rows: ``python lightning_module.py DATA.parquet MANIFEST.parquet``."""

import io
import sys

import numpy as np
import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from ted_client.subset import retained


class Digits(pl.LightningDataModule):
    def __init__(self, data: str, manifest: str) -> None:
        super().__init__()
        table = pq.read_table(data)
        pictures = np.stack([np.asarray(Image.open(io.BytesIO(picture))) for picture in table["image"].to_pylist()])
        labels = torch.tensor(table["label"].to_pylist())
        self.dataset, self.manifest = TensorDataset(torch.from_numpy(pictures).flatten(1) / 255, labels), manifest

    def train_dataloader(self) -> DataLoader:
        return DataLoader(retained(self.dataset, self.manifest), batch_size=64, shuffle=True)  # the one line


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.rows = torch.nn.LazyLinear(10), 0

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        inputs, labels = batch
        self.rows += len(inputs)
        return torch.nn.functional.cross_entropy(self.layer(inputs), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


module, digits = Classifier(), Digits(*sys.argv[1:])
module.layer(digits.dataset.tensors[0][:1])
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
pl.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(module, datamodule=digits)
print(f"trained on {module.rows} of {len(digits.dataset)} rows")
