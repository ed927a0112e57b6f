"""What is said on the command line, as a request."""
