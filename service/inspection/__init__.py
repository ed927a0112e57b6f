"""Looking at datasets before a job is stored, in processes apart."""
