"""Measure how fast the service is: downloads, heartbeats, reads, submissions."""
