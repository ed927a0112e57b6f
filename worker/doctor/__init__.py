"""Checks an installation, as seen from this machine: what is wrong with it, and what to do about it."""
