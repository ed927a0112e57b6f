"""Inputs that led fuzzing to new places, or to defects that are mended: small files, a folder for each target."""

from pathlib import Path

FOLDER = Path(__file__).parent / "seeds"
