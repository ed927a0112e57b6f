"""The tables. Alembic's migrations create them; a test compares the two."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

from ted_jobs.db.engine import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only for an INTEGER PRIMARY KEY.
autoincrement_id = BigInteger().with_variant(Integer, "sqlite")


def _of_job(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=primary_key, nullable=False
    )


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("key_id", String(40)),
    Column("retry_of", String(40)),
    Column("status", String(16), nullable=False),
    Column("status_reason", Text),
    Column("spec", JSON, nullable=False),
    Column("dataset_guard", String(80), nullable=False),
    Column("rows_in", BigInteger, nullable=False),  # 0: not counted yet, see docs/decisions/0019
    Column("warnings", JSON(none_as_null=True)),  # null: none, or an older version has stored the job
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("lease_expires_at", UtcDateTime),
    Column("worker", String(255)),
    Column("progress", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("version", BigInteger, nullable=False),
    Column("last_event", BigInteger, nullable=False),
    Column("hints", Integer, nullable=False),
    Column("ring_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("deadline_at", UtcDateTime),
    Index("ix_jobs_tenant_created_at_id", "tenant", "created_at", "id"),
    Index("ix_jobs_status_lease_expires_at", "status", "lease_expires_at"),
    Index("ix_jobs_finished_at", "finished_at"),
    Index("ix_jobs_key_id_status", "key_id", "status"),
    Index("ix_jobs_status_tenant_queued_at_key_id", "status", "tenant", "queued_at", "key_id"),
    Index("ix_jobs_tenant_started_at", "tenant", "started_at"),
    Index("ix_jobs_tenant_status_created_at_id", "tenant", "status", "created_at", "id"),
    Index("ix_jobs_status_ring_at", "status", "ring_at"),
    Index(
        "ix_jobs_status_deadline_at",
        "status",
        "deadline_at",
        sqlite_where=text("deadline_at IS NOT NULL"),
        postgresql_where=text("deadline_at IS NOT NULL"),
    ),
)

# Triggers fill it from the spec of each new job: see the migration.
labels = Table(
    "labels",
    metadata,
    _of_job(primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("value", String(512), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),  # the job's, as is the tenant: one index finds its newest jobs
    Index("ix_labels_tenant_key_value_created_at_job_id", "tenant", "key", "value", "created_at", "job_id"),
)

events = Table(
    "events",
    metadata,
    _of_job(primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    _of_job(),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_idempotency_job_id", "job_id"),
    Index("ix_idempotency_created_at", "created_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", autoincrement_id, primary_key=True, autoincrement=True),
    _of_job(),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_outbox_job_id", "job_id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _of_job(primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("key", String(512), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", autoincrement_id, primary_key=True, autoincrement=True),
    _of_job(),
    Column("key", String(512), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_checkpoints_job_id", "job_id"),
)

leaders = Table(
    "leaders",
    metadata,
    Column("role", String(40), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

installation = Table("installation", metadata, Column("id", String(32), primary_key=True))

tallies = Table(
    "tallies",
    metadata,
    Column("id", autoincrement_id, primary_key=True, autoincrement=True),
    Column("counter", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("amount", Float, nullable=False),
)

throughputs = Table(
    "throughputs",
    metadata,
    Column("worker", String(255), primary_key=True),
    Column("proxy", String(100), primary_key=True),
    Column("model", String(64), primary_key=True),  # the SHA-256 of its name, or empty
    Column("input_size", BigInteger, primary_key=True, autoincrement=False),
    Column("device", String(255), nullable=False),
    Column("rows_per_second", Float, nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("most_queued", Integer),
    Column("most_running", Integer),
    Column("requests_per_minute", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_keys_digest", "digest", unique=True),
)

registrations = Table(
    "registrations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("document", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_registrations_tenant_kind_name", "tenant", "kind", "name", unique=True),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("secret", String(100), nullable=False),
    Column("former_secret", String(100)),
    Column("former_secret_until", UtcDateTime),
    Column("disabled_reason", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_webhooks_tenant", "tenant"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("webhook_id", String(40), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("type", String(40), nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("status_code", Integer),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("ix_deliveries_webhook_id_due_at", "webhook_id", "due_at"),
    Index("ix_deliveries_webhook_id_status_created_at_id", "webhook_id", "status", "created_at", "id"),
    Index("ix_deliveries_webhook_id_finished_at_status", "webhook_id", "finished_at", "status"),
    Index("ix_deliveries_finished_at", "finished_at"),
    Index("ix_deliveries_job_id", "job_id"),
)
