"""Counts that outlive jobs; indexes to find old jobs, and what belongs to a job that is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {"jobs": "finished_at", "idempotency": "job_id", "outbox": "job_id"}


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("counter", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tallies"),
    )
    for table, column in INDEXES.items():
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in INDEXES.items():
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_table("tallies")
