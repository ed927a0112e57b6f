"""A dataset reference → a table of samples."""
