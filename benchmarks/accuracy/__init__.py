"""Measure the test accuracy of fresh models on what each method retained, in one command with resumable results."""
