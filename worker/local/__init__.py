"""``ted run``: one selection without a service, by the same runner."""
