"""What processes that read parts of one dataset tell each other, so that they understand its columns alike."""
