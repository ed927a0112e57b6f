"""Sending webhook messages: which are sent next, and to which addresses."""
