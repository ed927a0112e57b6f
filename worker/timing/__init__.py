"""How long things take: a run's phases, and the time that is left."""
