"""Runs pruning jobs: a Celery process that supervises, a child process that trains, and a sweeper that maintains."""
