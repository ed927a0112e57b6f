"""A WebDataset's retained samples: ``python webdataset_stream.py FOLDER MANIFEST.parquet``."""

import sys
from pathlib import Path

import webdataset as wds

from ted_client.subset import retained

folder, manifest = sys.argv[1:]
urls = sorted(map(str, Path(folder).glob("*.tar")))
samples = wds.WebDataset(urls, shardshuffle=len(urls)).shuffle(1000)

pipeline = retained(samples, manifest).decode("l").to_tuple("png", "cls")  # the one line, before what needs no keys

print(f"streamed {sum(1 for picture, label in pipeline)} samples")
