"""Manifests for other keep ratios, from the decisions of a job that has ended."""
