"""Name → model, and how it is trained."""
