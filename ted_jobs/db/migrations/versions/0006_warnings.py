"""What a job was warned of when it was submitted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("warnings", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("jobs", "warnings")
