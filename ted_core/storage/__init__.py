"""Files beneath the science: checkpoints, digests, caches, object stores, memory maps."""
