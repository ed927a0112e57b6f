"""A table of labels, and triggers that fill it and count jobs and deliveries by status.

Triggers, since processes of the release before may run on beside new ones, and since deleting a job or a webhook
deletes rows that no statement names.
"""

import sqlalchemy as sa
from alembic import op

from ted_jobs.db.engine import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COUNTED = ("jobs", "deliveries")
LABELS_OF = {
    "sqlite": """
        INSERT INTO labels (job_id, key, tenant, value, created_at)
        SELECT job.id, label.key, job.tenant, label.value, job.created_at
        FROM {jobs} AS job, json_each(job.spec, '$.metadata') AS label
        WHERE label.type = 'text' AND instr(job.spec, '\\u0000') = 0
    """,
    "postgresql": """
        INSERT INTO labels (job_id, key, tenant, value, created_at)
        SELECT job.id, label.key, job.tenant, label.value, job.created_at
        FROM {jobs} AS job, json_each_text(
            CASE WHEN position('\\u0000' in CAST(job.spec AS text)) = 0
                AND json_typeof(job.spec -> 'metadata') = 'object' THEN job.spec -> 'metadata' END
        ) AS label
    """,
}
"""From the database's name to the statement that stores the labels of some jobs. Neither can take a NUL out of a
document: a job with one counts as one without labels."""
PRESENT = "INSERT INTO tallies (counter, kind, amount) SELECT '{table}', status, count(*) FROM {table} GROUP BY status"
ADDED = "INSERT INTO tallies (counter, kind, amount) VALUES ('{table}', NEW.status, 1);"
REMOVED = "INSERT INTO tallies (counter, kind, amount) VALUES ('{table}', OLD.status, -1);"
CHANGED = "AFTER UPDATE OF status ON {table} FOR EACH ROW WHEN (OLD.status <> NEW.status)"


def upgrade() -> None:
    _create_labels()
    for table in COUNTED:
        _create_trigger(f"{table}_added", f"AFTER INSERT ON {table} FOR EACH ROW", ADDED.format(table=table))
        _create_trigger(f"{table}_removed", f"AFTER DELETE ON {table} FOR EACH ROW", REMOVED.format(table=table))
        _create_trigger(f"{table}_changed", CHANGED.format(table=table), (REMOVED + ADDED).format(table=table))
        op.execute(PRESENT.format(table=table))


def _create_labels() -> None:
    op.create_table(
        "labels",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key", name="pk_labels"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_labels_job_id_jobs", ondelete="CASCADE"),
    )
    columns = ["tenant", "key", "value", "created_at", "job_id"]
    op.create_index("ix_labels_tenant_key_value_created_at_job_id", "labels", columns)
    store_labels = LABELS_OF[op.get_bind().dialect.name]
    new_job = "(SELECT NEW.id AS id, NEW.tenant AS tenant, NEW.spec AS spec, NEW.created_at AS created_at)"
    _create_trigger("jobs_labelled", "AFTER INSERT ON jobs FOR EACH ROW", store_labels.format(jobs=new_job) + ";")
    op.execute(store_labels.format(jobs="jobs"))


def _create_trigger(name: str, when: str, statements: str) -> None:
    """Create a trigger; PostgreSQL's run a function. No other process writes to the table before this is committed."""
    if op.get_bind().dialect.name == "postgresql":
        body = f"BEGIN {statements} RETURN NULL; END"
        op.execute(f"CREATE FUNCTION ted_{name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION ted_{name}()")
    else:
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN {statements} END")


def downgrade() -> None:
    names = {f"{table}_{event}": table for table in COUNTED for event in ("added", "removed", "changed")}
    for name, table in (names | {"jobs_labelled": "jobs"}).items():
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION ted_{name}()")
        else:
            op.execute(f"DROP TRIGGER {name}")
    op.execute("DELETE FROM tallies WHERE counter IN ('jobs', 'deliveries')")
    op.drop_table("labels")
