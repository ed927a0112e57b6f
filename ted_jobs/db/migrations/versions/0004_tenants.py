"""Keys, and what belongs to a tenant: its webhooks and their deliveries, its names for datasets and proxies.

And the installation's own name, by which it knows its artifacts from those of others.
"""

import uuid

import sqlalchemy as sa
from alembic import op

from ted_jobs.db.engine import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=nullable)


def _number(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def upgrade() -> None:
    op.add_column("jobs", _text("key_id", 40, nullable=True))
    op.add_column("jobs", _text("retry_of", 40, nullable=True))
    op.create_index("ix_jobs_key_id_status", "jobs", ["key_id", "status"])
    _create_keys()
    _create_registrations()
    _create_webhooks()
    _create_deliveries()
    _name_the_installation()


def _name_the_installation() -> None:
    table = op.create_table("installation", _text("id", 32), sa.PrimaryKeyConstraint("id", name="pk_installation"))
    op.bulk_insert(table, [{"id": uuid.uuid4().hex}])


def _create_keys() -> None:
    op.create_table(
        "keys",
        _text("id", 40),
        _text("tenant", 64),
        _text("name", 100),
        _text("digest", 64),
        sa.Column("scopes", sa.JSON(), nullable=False),
        *map(_number, ("most_queued", "most_running", "requests_per_minute")),
        _moment("created_at", nullable=False),
        *map(_moment, ("expires_at", "last_used_at", "revoked_at")),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_index("ix_keys_digest", "keys", ["digest"], unique=True)


def _create_registrations() -> None:
    op.create_table(
        "registrations",
        _text("id", 40),
        _text("tenant", 64),
        _text("kind", 16),
        _text("name", 64),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        _moment("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registrations"),
    )
    op.create_index("ix_registrations_tenant_kind_name", "registrations", ["tenant", "kind", "name"], unique=True)


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        _text("id", 40),
        _text("tenant", 64),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        _text("secret", 100),
        _text("former_secret", 100, nullable=True),
        _moment("former_secret_until"),
        sa.Column("disabled_reason", sa.Text()),
        _moment("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_tenant", "webhooks", ["tenant"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        _text("id", 40),
        _text("webhook_id", 40),
        _text("job_id", 40, nullable=True),
        _text("type", 40),
        sa.Column("payload", sa.Text(), nullable=False),
        _text("status", 16),
        _number("attempt", nullable=False),
        _moment("due_at"),
        _number("status_code"),
        sa.Column("error", sa.Text()),
        _moment("created_at", nullable=False),
        _moment("finished_at"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_deliveries_webhook_id_webhooks", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deliveries_job_id_jobs", ondelete="CASCADE"),
    )
    op.create_index("ix_deliveries_due_at", "deliveries", ["due_at"])
    op.create_index("ix_deliveries_webhook_id_created_at", "deliveries", ["webhook_id", "created_at"])
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"])


def downgrade() -> None:
    for table in ("installation", "deliveries", "webhooks", "registrations", "keys"):
        op.drop_table(table)
    op.drop_index("ix_jobs_key_id_status", "jobs")
    op.drop_column("jobs", "retry_of")
    op.drop_column("jobs", "key_id")
