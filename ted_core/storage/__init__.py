"""Files beneath the science: checkpoints, digests, caches, file stores, memory maps, Parquet footers."""
