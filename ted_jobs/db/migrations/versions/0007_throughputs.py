"""How fast workers train proxies, for estimates of jobs that no earlier job is like."""

import sqlalchemy as sa
from alembic import op

from ted_jobs.db.engine import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throughputs",
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("proxy", sa.String(100), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("input_size", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("device", sa.String(255), nullable=False),
        sa.Column("rows_per_second", sa.Float(), nullable=False),
        sa.Column("measured_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("worker", "proxy", "model", "input_size", name="pk_throughputs"),
    )


def downgrade() -> None:
    op.drop_table("throughputs")
