"""What several ranks gain in time, and whether they select as one does."""
