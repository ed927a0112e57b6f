"""The database: connections, tables, counters, pages of lists, migrations."""
