"""The database: connections, tables, migrations, retention."""
