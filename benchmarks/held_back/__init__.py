"""Judges rules of selection on rows held back from the training files: what rules are developed on, never the tests."""
