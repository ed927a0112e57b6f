"""The installation in numbers."""
