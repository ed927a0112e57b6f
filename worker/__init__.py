"""Runs pruning jobs: a Celery process that supervises, a child process that trains, a sweeper that keeps order."""
