"""The operations page's own commands: an old installation is upgraded, backed up, lost and restored."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, MetaData, Table, select

from service.app import create_app, key_secret
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey, Scope
from ted_jobs.db.engine import make_engine, read_transaction, write_transaction
from ted_jobs.db.migrations import upgrade
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.deployment.test_compose import ROOT, here
from tests.servers.databases import DATABASES, migrated, sqlite_url
from tests.service.conftest import bearer
from tests.service.http.test_tenancy import RESULT
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.successes import succeed

OLD = "0004"
"""The revision of the database from which is upgraded."""
PAGE = (ROOT / "docs" / "operations.md").read_text()
MANIFEST = b"the rows that are kept"
BACKUP, RESTORE = 0, 1
"""The page's blocks, in their order."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class Installation:
    """A home folder, a database, and the key that a client was given."""

    database: str
    settings: Settings
    backup: Path
    key: str

    def follow(self, number: int) -> None:
        """Run the commands of the page's block with this number, as a shell would, for this kind of database."""
        blocks = re.findall(r"^## Backup and restore\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[0]
        lines = re.findall(r"^```sh\n(.*?)^```", blocks, re.MULTILINE | re.DOTALL)[number].splitlines()
        others = [f"# with {name}" for kind, name in NAMES.items() if kind != self.database]
        chosen = [line for line in lines if not line.endswith(tuple(others)) and line != "ted doctor"]
        script = "\n".join([f'ted() {{ {" ".join(here(["ted"]))} "$@"; }}', *chosen])
        subprocess.run(["/bin/bash", "-euc", script], env=self._environment(), check=True)

    def run_ted(self, *arguments: str) -> None:
        """Run the command line on this installation."""
        subprocess.run(here(["ted", *arguments]), env=self._environment(), check=True)

    def _environment(self) -> dict[str, str]:
        own = {"TED_HOME": str(self.settings.home), "TED_ARTIFACT_ROOT": str(self.settings.artifacts)}
        return os.environ | own | {"TED_DATABASE_URL": self.settings.database, "BACKUP": str(self.backup)}

    def manifests(self) -> dict[str, bytes]:
        """Each job that the client sees, oldest first, and its manifest."""
        with TestClient(create_app(self.settings), headers=bearer(self.key)) as client:
            names = [job["id"] for job in client.get("/v1/jobs").json()["data"]]
            return {name: client.get(f"/v1/jobs/{name}/manifest").content for name in reversed(names)}

    def finish_a_job(self, engine: Engine) -> str:
        """Return the id of a new job that has succeeded."""
        job = JobStore(engine).submit(SPEC, SUMMARY, tenant="vision").job
        file = self.settings.home / "manifest.parquet"
        file.write_bytes(MANIFEST)
        artifacts = self.settings.artifacts
        succeed(job.id, {"manifest": file}, leases=Leases(engine), artifacts=artifacts, result=RESULT)
        return job.id


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """One that an earlier version has left, with a key and a job that has succeeded."""
    home = tmp_path / "home"
    home.mkdir()
    with DATABASES[request.param](home) as url, sqlite_url(tmp_path) as newest:
        settings = Settings(home=home, database_url=url, artifact_root=home / "artifacts", auth="keys")
        with migrated(newest) as source:
            new_key = NewApiKey(tenant="vision", scopes=(Scope.ADMIN,))
            _, key = ApiKeyStore(source, secret=key_secret(settings)).create(new_key)
            installation = Installation(request.param, settings, tmp_path / "backup", key)
            installation.finish_a_job(source)
            target = make_engine(url)
            upgrade(target, to=OLD)
            copy_rows(source, target)
            target.dispose()
        yield installation


def copy_rows(source: Engine, target: Engine) -> None:
    """Copy keys, jobs and their files into a database that lacks newer columns."""
    with read_transaction(source) as reading, write_transaction(target) as writing:
        for name in ("keys", "jobs", "artifacts"):
            older, newer = (Table(name, MetaData(), autoload_with=engine) for engine in (target, source))
            rows = reading.execute(select(*(newer.c[column.name] for column in older.c))).mappings()
            writing.execute(older.insert(), [dict(row) for row in rows])


def test_an_old_installation_is_backed_up_upgraded_lost_and_restored(old: Installation) -> None:
    old.follow(BACKUP)
    old.run_ted("migrate")
    (first,) = old.manifests()
    assert old.manifests() == {first: MANIFEST}

    shutil.rmtree(old.backup)
    old.follow(BACKUP)
    engine = make_engine(old.settings.database)
    second = old.finish_a_job(engine)
    assert old.manifests() == {first: MANIFEST, second: MANIFEST}

    engine.dispose()
    shutil.rmtree(old.settings.artifacts)
    (old.settings.home / "key.secret").unlink()
    (old.settings.home / "ted.db").unlink(missing_ok=True)
    old.follow(RESTORE)

    assert old.manifests() == {first: MANIFEST}


def test_a_backup_from_before_the_upgrade_is_restored_to_the_newer_version(old: Installation) -> None:
    old.follow(BACKUP)
    old.run_ted("migrate")
    before = old.manifests()

    old.follow(RESTORE)

    assert old.manifests() == before != {}


def test_nobody_else_may_enter_a_backup(old: Installation) -> None:
    old.follow(BACKUP)

    assert old.backup.stat().st_mode & 0o077 == 0
