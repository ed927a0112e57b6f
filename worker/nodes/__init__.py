"""A host that takes part in the jobs of a worker on another host."""
