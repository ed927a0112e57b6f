"""What a run leaves: decisions, the manifest, the report, re-cuts."""
