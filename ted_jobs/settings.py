"""Every setting of the service and its workers; nothing else reads TED's environment variables."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ted_core.machine.memory import default_ceiling, half_of_the_memory
from ted_core.machine.processors import processor_count
from ted_core.plan import TWINS
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.roots import parse_root, parse_roots, roots_in_file

WebhookReach = Literal["public", "loopback"]
"""How far webhooks may lead: to public addresses only, or to this machine's own as well."""


LEAST_PLANNED_CEILING = 8 << 30
"""What an API plans jobs for at least whose ceiling is not set: the workers' machines may be larger than its own."""


class Settings(BaseSettings):
    """The settings, from ``TED_*`` variables. Each process reads them once, when it starts."""

    model_config = SettingsConfigDict(env_prefix="TED_", env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Path("~/.ted")
    """The folder of everything that no other setting places: database, artifacts, work, logs."""
    database_url: str = ""
    """SQLAlchemy URL; an SQLite file in the home folder if unset."""
    broker_url: str = ""
    """Celery broker URL (Redis or Valkey); the embedded broker's socket if unset."""
    artifact_root: StorageRoot | None = None
    """Where manifests and checkpoints are published: a folder, or ``s3://bucket/folder`` (``gs://``) for machines that
    share no disk; ``artifacts`` in the home folder if unset."""
    artifact_link_seconds: Annotated[int, Field(ge=0, le=604_800)] = 0
    """How long the S3 links are valid to which downloads are redirected; 0: downloads go through the API."""
    dataset_roots: Annotated[tuple[StorageRoot, ...], NoDecode] = ()
    """Folders, and buckets or folders in them (``s3://bucket/folder``), that may hold datasets, separated as in PATH.
    Without any, every dataset is refused."""
    dataset_roots_file: Path | None = None
    """A file with more of them, one on each line, which is read anew for each dataset: ``ted up`` names one in the home
    folder, and ``ted roots`` writes it. Only its own user may be able to write to it, or else it allows nothing."""

    model_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders that may hold pretrained models, separated as in PATH, besides the models of installed packages."""
    cache_bytes: Annotated[int, Field(ge=0)] = 20 << 30
    """How much ``cache`` may hold: tokens, features, and decoded inputs that do not fit into memory. The oldest are
    deleted first; inputs that alone would take more are refused."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    listen_fd: int | None = None
    """An inherited, listening socket to serve on instead of host and port."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    most_connections: Annotated[int | None, Field(ge=1)] = None
    """How many connections each API process holds at once; if unset, half as many as it may open files beyond 256, and
    at most 4096."""
    most_connections_per_address: Annotated[int | None, Field(ge=0)] = None
    """How many of them one IPv4 address or IPv6 /64 may have, unless it is a proxy's; half of them if unset, 0: all."""
    head_seconds: Annotated[float, Field(gt=0)] = 10
    """How long a request's line and headers may take to arrive."""
    body_seconds: Annotated[float, Field(gt=0)] = 30
    """How long its body may take."""
    keep_alive_seconds: Annotated[int, Field(ge=1)] = 5
    """How long a connection stays open without a request."""
    send_seconds: Annotated[float, Field(gt=0)] = 30
    """How long a client may read nothing of a response."""
    metrics: Literal["loopback", "open"] = "loopback"
    """Who may read /metrics: programs on the API's own machine, or everyone who can reach it."""

    auth: Literal["keys", "open"] = "keys"
    """Whether requests need a key, or everyone who can reach the API is the tenant "default". With ``open`` the API
    starts on loopback only."""
    key_secret: Annotated[SecretStr | None, Field(min_length=16)] = None
    """Hashes the texts of keys; the same for every API and for ``ted keys``. If unset, ``key.secret`` in the home
    folder, which is created when first needed. Changing it makes every key invalid."""
    most_queued: Annotated[int, Field(ge=0)] = 1000
    """How many jobs of one key may be queued, unless the key has its own limit; 0: unlimited."""
    most_running: Annotated[int, Field(ge=0)] = 0
    """How many jobs of one key may run at once, unless the key has its own limit; 0: unlimited."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 600
    """How many requests of one key each API process accepts, unless the key has its own limit; 0: unlimited."""
    most_streams: Annotated[int, Field(ge=0)] = 256
    """How many requests of one key each API process holds open: event streams, and answers that wait; 0: any number."""
    inspection_processes: Annotated[int, Field(ge=1, le=64)] = 2
    """How many processes of each API look at datasets before a job is stored, in 512 MiB of memory each. With two or
    more, no tenant can occupy all of them."""
    webhook_targets: WebhookReach = "public"
    """Where webhooks may lead: to public addresses, or (loopback) also to programs on this machine, even by http."""

    lease_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a silent worker keeps its job."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 1
    """How often a worker renews its lease, reports progress and checks whether to stop."""
    sweep_seconds: Annotated[float, Field(gt=0)] = 0.5
    """The pause between two sweeps."""
    retention_days: Annotated[float | None, Field(gt=0)] = None
    """How long ended jobs are kept, with their files; for ever if unset."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 10
    """How old a running job's last checkpoint must be before the next round writes another; 0: every round does."""
    cancel_grace_seconds: Annotated[float, Field(ge=0)] = 2
    """How long a runner may take to exit after SIGTERM before it gets SIGKILL."""
    stall_seconds: Annotated[float, Field(gt=0)] = 600
    """How long a runner may neither report, compute, read nor write before its attempt is ended and repeated."""

    device: str = "auto"
    """Where runners train: cpu, cuda, mps, or auto for the best one available."""
    devices: Annotated[tuple[str, ...], NoDecode] = ()
    """The devices that work on one job together, as in ``cuda:0,cuda:1``, or ``auto`` for all CUDA devices; their
    number is even. Takes the place of TED_DEVICE."""
    ranks: Annotated[int, Field(ge=1)] = 1
    """How many processes work on one job together where TED_DEVICES does not say so: 1 or an even number. Threads and
    memory of a runner are divided among them."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """How many hosts work on one job together, each with as many devices or ranks."""
    node_rank: Annotated[int, Field(ge=0)] = 0
    """The number of this host. The first one is a worker like any other; the others take part in its jobs."""
    rendezvous: Annotated[str, Field(pattern=r"^$|^[^:/]+:\d+$")] = ""
    """Where the hosts meet, as host:port: the first one's address in a private network, and a free port."""
    seat_seconds: Annotated[float, Field(gt=0)] = 60
    """How long the other hosts may take to be there once the first one has a job; then it hands the job back."""
    workers: Annotated[int, Field(ge=1)] = 1
    """How many workers share this machine: each one's runner gets its part of the processors and of the memory."""
    runner_threads: Annotated[int | None, Field(ge=1)] = None
    """A runner's threads. If unset, as many as there are processors in the worker's affinity mask, or in the quota of
    its control group, for each of the ``workers``."""
    measure_throughput: bool = True
    """Whether a worker measures beside its start, for two seconds at most once a week, how fast it trains proxies, so
    that jobs can be estimated before any like them has run."""
    runner_memory_bytes: Annotated[int | None, Field(ge=1 << 28)] = None
    """The memory that a job's data are planned for, though not a ceiling; half of the machine's memory, or of the
    control group's, for all ``workers`` together if unset. Decoded inputs of more than a quarter of it go to
    ``cache``."""
    runner_memory_ceiling: Annotated[int | None, Field(ge=1 << 28)] = None
    """The most bytes that a runner may take beyond what it takes when idle: jobs that are planned to take more are
    refused, and the kernel gives no more (RLIMIT_DATA), so that the runner fails and not the machine. If unset, the
    machine's or control group's memory but for 2 GiB, at most a quarter, shared by the ``workers``; with an accelerator
    the kernel then gives any, and the API refuses no batch."""
    max_undecodable: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The share of images that may fail to decode before the job fails."""
    log_level: str = "INFO"

    @property
    def allowed_roots(self) -> tuple[StorageRoot, ...]:
        """Where datasets may lie at this moment."""
        return (*self.dataset_roots, *(roots_in_file(self.dataset_roots_file) if self.dataset_roots_file else ()))

    @field_validator("dataset_roots", mode="before")
    @classmethod
    def _roots(cls, value: object) -> object:
        return parse_roots(value) if isinstance(value, str) else value

    @field_validator("model_roots", mode="before")
    @classmethod
    def _split_path(cls, value: object) -> object:
        return tuple(Path(part) for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @field_validator("devices", mode="before")
    @classmethod
    def _split_devices(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("devices")
    @classmethod
    def _even_devices(cls, devices: tuple[str, ...]) -> tuple[str, ...]:
        if len(devices) > 1 and len(devices) % TWINS:
            raise ValueError(f"{len(devices)} devices cannot be divided among two twins; name an even number of them")
        return devices

    @field_validator("ranks")
    @classmethod
    def _even_ranks(cls, ranks: int) -> int:
        if ranks > 1 and ranks % TWINS:
            raise ValueError(f"{ranks} ranks cannot be divided among two twins; set 1 or an even number")
        return ranks

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("artifact_root", mode="before")
    @classmethod
    def _one_root(cls, value: object) -> object:
        return parse_root(str(value)) if value and str(value) else None

    @cached_property
    def database(self) -> str:
        """Return the SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'ted.db'}"

    @cached_property
    def broker(self) -> str:
        """Return the Celery broker URL in force."""
        return self.broker_url or f"redis+socket://{self.home / 'broker.sock'}"

    @cached_property
    def artifacts(self) -> StorageRoot:
        """Return the folder or bucket of published files in force."""
        return self.artifact_root or self.home / "artifacts"

    @cached_property
    def cache(self) -> Path:
        """Return the folder of what is derived from datasets: worth keeping, or too large for memory."""
        return self.home / "cache"

    @cached_property
    def threads(self) -> int:
        """Return how many threads a runner computes with."""
        return self.runner_threads or max(1, processor_count() // self.workers)

    @cached_property
    def memory_bytes(self) -> int:
        """Return the memory that a job's data are planned for."""
        return self.runner_memory_bytes or half_of_the_memory(workers=self.workers)

    @cached_property
    def ceiling(self) -> int:
        """Return the most bytes that a runner on this machine may take beyond what it takes when idle."""
        return self.runner_memory_ceiling or default_ceiling(workers=self.workers)

    @cached_property
    def planned_ceiling(self) -> int:
        """Return the most bytes that a job may be planned to take, wherever it will run."""
        return self.runner_memory_ceiling or max(default_ceiling(workers=self.workers), LEAST_PLANNED_CEILING)

    @cached_property
    def work(self) -> Path:
        """Return the folder in which runners keep what is not yet published."""
        return self.home / "work"
