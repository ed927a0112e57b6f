"""The HTTP API: takes jobs, tells how they stand, hands out their manifests. Loads no torch."""
