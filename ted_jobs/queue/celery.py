"""The Celery app, and the only message ever sent through it: a wake-up with a job's id."""

from importlib import import_module
from types import ModuleType

from celery import Celery
from celery.loaders.app import AppLoader
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from ted_jobs.settings import Settings

PRUNE_TASK = "ted.prune"
QUEUE_NAME = "ted"

# The database replaces lost wake-ups, so none is worth holding on to: they are acknowledged early, are not prefetched
# and leave no result, and a broker that does not answer is given up on quickly.
CELERY_CONFIGURATION = {
    "task_default_queue": QUEUE_NAME,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_publish_retry": False,
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    "worker_concurrency": 1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": False,
    "worker_send_task_events": False,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 25,
        "socket_keepalive": True,
        # Without these, publishing to a broker that is away takes six seconds of retries.
        "max_retries": 1,
        "interval_start": 0,
    },
}


class InstalledModulesLoader(AppLoader):  # type: ignore[misc]
    """Import only what is installed. Celery's own loader looks in the current folder first."""

    def import_from_cwd(self, module: str, imp: object = None, package: str | None = None) -> ModuleType:
        """Return the module of that name."""
        return import_module(module, package)


def celery_app(settings: Settings) -> Celery:
    """Return the app, connected to the broker that the settings name."""
    app = Celery("ted", broker=settings.broker, backend=None, loader=InstalledModulesLoader)
    app.conf.update(CELERY_CONFIGURATION)
    return app


def notify(app: Celery, job_id: str) -> None:
    """Wake a worker up: this job may be queued. Everything else is in the job's row."""
    app.send_task(PRUNE_TASK, args=[job_id], queue=QUEUE_NAME, ignore_result=True)


def queued_wake_ups(app: Celery) -> int:
    """Return how many wake-ups the broker holds that no worker has taken. Raises OperationalError."""
    with app.connection_for_read() as connection:
        try:
            return int(connection.default_channel.client.llen(QUEUE_NAME))
        except (*connection.connection_errors, *connection.channel_errors) as error:
            raise OperationalError(str(error)) from error


def is_broker_reachable(settings: Settings) -> bool:
    """Return whether the broker accepts a connection within about a second."""
    timeouts = {"socket_timeout": 1, "socket_connect_timeout": 1}
    with Connection(settings.broker, connect_timeout=1, transport_options=timeouts) as connection:  # type: ignore[no-untyped-call]
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
        except (*connection.connection_errors, OperationalError):
            return False
    return True
