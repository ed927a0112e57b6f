"""Published files, checkpoints and re-cuts, on a disk or in an object store."""
