"""A dataset whose files several processes divide among themselves: each reads its own, and they agree on the rest."""
