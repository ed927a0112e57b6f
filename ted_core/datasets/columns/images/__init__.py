"""Encoded images → one array of pixels, and what is said about them."""
