"""Columns → inputs and labels."""
