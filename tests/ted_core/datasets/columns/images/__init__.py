"""Encoded images become one array, and warnings."""
