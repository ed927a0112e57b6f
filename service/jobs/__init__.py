"""What the service decides about jobs: submission, estimate, filters."""
