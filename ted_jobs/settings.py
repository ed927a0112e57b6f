"""Every setting of the service and its workers. The only reader of the environment."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Read from ``TED_*`` variables; each process reads them once, at its start."""

    model_config = SettingsConfigDict(env_prefix="TED_", frozen=True, extra="ignore")

    home: Path = Path("~/.ted")
    """Folder for everything that has no place of its own: database, artifacts, work, logs."""
    database_url: str = ""
    """SQLAlchemy URL; an SQLite file in the home folder unless set."""
    broker_url: str = ""
    """Celery broker URL (Redis or Valkey); the embedded broker's socket unless set."""
    artifact_root: Path | None = None
    """Folder of the published manifests; ``artifacts`` in the home folder unless set."""
    dataset_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders that datasets may lie in, separated as in PATH. None: every dataset is refused."""

    model_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders that pretrained models may lie in, separated as in PATH, beside those that installed packages carry."""
    cache_bytes: Annotated[int, Field(ge=0)] = 20 << 30
    """How much tokens and features, kept for later jobs on the same texts, may take; the oldest go first."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    listen_fd: int | None = None
    """An inherited, listening socket to serve on instead of host and port."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_000_000

    lease_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a silent worker keeps its job."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 1
    """How often a worker renews its lease, reports progress and asks whether to stop."""
    sweep_seconds: Annotated[float, Field(gt=0)] = 0.5
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    cancel_grace_seconds: Annotated[float, Field(ge=0)] = 2
    """How long a runner may take to end after SIGTERM before it gets SIGKILL."""

    device: str = "auto"
    """Where runners train: cpu, cuda, mps, or auto for the best that is there."""
    runner_threads: Annotated[int, Field(ge=1)] = os.cpu_count() or 1
    runner_memory_bytes: Annotated[int | None, Field(ge=1 << 28)] = None
    """Decoded datasets larger than this are refused; half of the machine's memory unless set."""
    max_undecodable: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the images that may fail to decode before the job does."""
    log_level: str = "INFO"

    @field_validator("dataset_roots", "model_roots", mode="before")
    @classmethod
    def _split_path(cls, value: object) -> object:
        return tuple(Path(part) for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @field_validator("home", "artifact_root")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @cached_property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'ted.db'}"

    @cached_property
    def broker(self) -> str:
        """The Celery broker URL in force."""
        return self.broker_url or f"redis+socket://{self.home / 'broker.sock'}"

    @cached_property
    def artifacts(self) -> Path:
        """The folder of published files in force."""
        return self.artifact_root or self.home / "artifacts"

    @cached_property
    def cache(self) -> Path:
        """What is made of texts and worth keeping."""
        return self.home / "cache"

    @cached_property
    def work(self) -> Path:
        """Where runners keep what is not yet published."""
        return self.home / "work"
