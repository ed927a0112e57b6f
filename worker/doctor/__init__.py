"""What is wrong with an installation and what to do about it, seen from the machine that asks."""
