"""The JSON that travels over HTTP."""
