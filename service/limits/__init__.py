"""How much one client may take: requests a minute, requests held open, the length of headers."""
