"""Files beneath the science: checkpoints, digests, caches, file stores and memory maps."""
