"""TED's progressive pruning loop, its scores and its rivals."""
