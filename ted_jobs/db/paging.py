"""Pages of a list, newest first: none repeats or skips a row, whatever is added or deleted between two of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, or_, select, union_all


def older(table: FromClause, *, created_at: datetime, row_id: str) -> ColumnElement[bool]:
    """Return the condition that a row follows the one with this id and time. The id decides between equal times."""
    same_instant = (table.c.created_at == created_at) & (table.c.id < row_id)
    # Said twice: databases begin at an index's entry for the first condition, but not for an "or".
    return (table.c.created_at <= created_at) & or_(table.c.created_at < created_at, same_instant)


def not_older(table: FromClause, *, created_at: datetime, row_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is the one with this id and time, or precedes it."""
    same_instant = (table.c.created_at == created_at) & (table.c.id >= row_id)
    return (table.c.created_at >= created_at) & or_(table.c.created_at > created_at, same_instant)


def newest_with_status(
    table: Table, *conditions: ColumnElement[bool], statuses: Collection[str], limit: int
) -> Select[Any]:
    """Return the query for at most ``limit`` rows that meet the conditions, newest first, in one of these statuses.

    In any status if there are none. The newest in each status are searched for by an index, however rare they are;
    a condition on several statuses would have the database look at all rows.
    """
    if not statuses:
        return newest_first(select(table).where(*conditions), table, limit=limit)
    each = (select(table.c.id).where(*conditions, table.c.status == status) for status in sorted(set(statuses)))
    newest = union_all(*(newest_first(query, table, limit=limit).subquery().select() for query in each))
    return newest_first(select(table).where(table.c.id.in_(newest)), table, limit=limit)


def newest_first(query: Select[Any], table: FromClause, *, limit: int) -> Select[Any]:
    """Return the query, ordered as :func:`older` has it, for at most ``limit`` rows."""
    return query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
