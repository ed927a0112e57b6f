"""A manifest's retained rows as files for other programs: ``ted_core.export.exporting.export``. Torch-free."""
