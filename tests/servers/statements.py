"""The SQL statements that this process sends, and how much of a database each of them looks at."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

Statements = dict[str, list[Any]]
"""From a statement to some of the parameters that it was sent with."""

MOST_EXAMPLES = 4
STEPS_COUNTED = 50
"""SQLite tells its progress once in so many steps of its virtual machine."""
SCANNED = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


@contextmanager
def recorded_statements() -> Iterator[Statements]:
    """Yield the statements that are sent meanwhile, whatever sends them."""
    statements: Statements = {}

    def record(_: Any, __: Any, statement: str, parameters: Any, ___: Any, executemany: bool) -> None:
        examples = statements.setdefault(statement, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(parameters[0] if executemany else parameters)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def work(connection: Connection, statement: str, parameters: Any) -> int:
    """Return how much the statement looks at; what it changes is undone.

    On SQLite, steps of its virtual machine: at least two for each row or entry of an index. On PostgreSQL, rows that
    are read, and pages of tables and indexes.
    """
    savepoint = connection.begin_nested()
    try:
        return WORK[connection.dialect.name](connection, statement, parameters)
    finally:
        savepoint.rollback()


def _sqlite_work(connection: Connection, statement: str, parameters: Any) -> int:
    driver, steps = connection.connection.driver_connection, 0

    def count() -> None:
        nonlocal steps
        steps += STEPS_COUNTED

    assert driver
    driver.set_progress_handler(count, STEPS_COUNTED)
    try:
        driver.execute(statement, parameters).fetchall()
    finally:
        driver.set_progress_handler(None, 0)
    return steps


def _postgresql_work(connection: Connection, statement: str, parameters: Any) -> int:
    cursor = connection.connection.cursor()
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
    (answer,) = cursor.fetchone()
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return int(pages + sum(_rows_read(node) for node in _nodes(plan)))


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: Mapping[str, Any]) -> float:
    if "Scan" not in node["Node Type"]:
        return 0
    return float(node["Actual Loops"] * sum(node.get(name, 0) for name in SCANNED))


WORK: Mapping[str, Callable[[Connection, str, Any], int]] = {"sqlite": _sqlite_work, "postgresql": _postgresql_work}
