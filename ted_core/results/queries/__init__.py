"""What is asked of results afterwards: why a row was kept or not, and how two selections differ. Torch-free."""
