"""Holds training under a manifest's weights against training without them, and the estimates that weights are for."""
