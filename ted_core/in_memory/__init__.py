"""``ted_core.select``: rows of data that are in memory already."""
