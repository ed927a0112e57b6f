"""Indexes that lead past all that has ended, and to what was never searched for by an index before.

The index on a webhook's ``created_at`` goes: lists of deliveries are read status by status. An older API sorts instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_jobs_tenant_status_created_at_id": ("jobs", ["tenant", "status", "created_at", "id"]),
    "ix_jobs_status_ring_at": ("jobs", ["status", "ring_at"]),
    "ix_deliveries_webhook_id_status_created_at_id": ("deliveries", ["webhook_id", "status", "created_at", "id"]),
    "ix_deliveries_webhook_id_finished_at_status": ("deliveries", ["webhook_id", "finished_at", "status"]),
    "ix_deliveries_finished_at": ("deliveries", ["finished_at"]),
    "ix_idempotency_created_at": ("idempotency", ["created_at"]),
}
DEADLINES = "ix_jobs_status_deadline_at"
HAS_DEADLINE = sa.text("deadline_at IS NOT NULL")


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    columns = ["status", "deadline_at"]
    op.create_index(DEADLINES, "jobs", columns, sqlite_where=HAS_DEADLINE, postgresql_where=HAS_DEADLINE)
    op.drop_index("ix_deliveries_webhook_id_created_at", "deliveries")


def downgrade() -> None:
    op.create_index("ix_deliveries_webhook_id_created_at", "deliveries", ["webhook_id", "created_at"])
    op.drop_index(DEADLINES, "jobs")
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
