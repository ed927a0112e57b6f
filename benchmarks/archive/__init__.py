"""Finished results in the repository: small enough to stay there, whole enough to be read and added to."""
