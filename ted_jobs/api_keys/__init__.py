"""API keys: their text, their hashes, their commands."""
