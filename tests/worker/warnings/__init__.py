"""Warnings, from the submission to whoever asks."""
