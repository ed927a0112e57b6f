"""scikit-learn on a manifest's rows, from pandas: ``python pandas_scikit_learn.py DATA.parquet MANIFEST.parquet``."""

import io
import sys

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import LogisticRegression

from ted_client.subset import retained

data, manifest = sys.argv[1:]
frame = pd.read_parquet(data)

train = retained(frame, manifest)  # the one line


def pixels_of(rows: pd.DataFrame) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(picture))).ravel() / 255 for picture in rows["image"]])


model = LogisticRegression(max_iter=300).fit(pixels_of(train), train["label"])
right = model.score(pixels_of(frame), frame["label"])
print(f"trained on {len(train)} of {len(frame)} rows; {right:.0%} of all are recognized")
