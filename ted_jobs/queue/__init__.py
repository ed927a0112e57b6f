"""Wake-up messages through Celery, and the outbox that makes them durable."""
