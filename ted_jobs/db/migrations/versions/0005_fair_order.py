"""Indexes to choose fairly between tenants: whose job starts next, and to whose webhook a message is sent.

The index on ``due_at`` alone goes: PostgreSQL might use it in place of the new one, and then reads all that is due. An
older sweeper sorts instead.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_jobs_status_tenant_queued_at_key_id": ("jobs", ["status", "tenant", "queued_at", "key_id"]),
    "ix_jobs_tenant_started_at": ("jobs", ["tenant", "started_at"]),
    "ix_deliveries_webhook_id_due_at": ("deliveries", ["webhook_id", "due_at"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    op.drop_index("ix_deliveries_due_at", "deliveries")


def downgrade() -> None:
    op.create_index("ix_deliveries_due_at", "deliveries", ["due_at"])
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
