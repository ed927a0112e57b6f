"""Alembic's entry point: run on the connection that :func:`ted_jobs.db.migrations.upgrade` hands over."""

from alembic import context

from ted_jobs.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
