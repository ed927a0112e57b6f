"""What lies beneath the text formats: notations, records, and types that are known only once a file was read."""
