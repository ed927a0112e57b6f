"""The numbers of the database as Prometheus metrics. They name no job, client, file or machine."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from ted_jobs.db import counters
from ted_jobs.jobs.status import JobStatus
from ted_jobs.metrics_snapshot import MetricsSnapshot

MetricFamilies = Iterator[Metric]

RENDERERS: Mapping[str, tuple[str, Callable[[Collector], bytes]]] = {
    "text/plain": (CONTENT_TYPE_PLAIN_0_0_4, generate_latest),
    "application/openmetrics-text": (CONTENT_TYPE_OPENMETRICS, generate_openmetrics),
}
"""From media type to its full name and how it is written."""


class MetricsCollector(Collector):
    """One snapshot, for Prometheus's writers."""

    def __init__(self, snapshot: MetricsSnapshot) -> None:
        self.snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from _gauges(self.snapshot)
        yield from _counters(self.snapshot)


def _gauges(snapshot: MetricsSnapshot) -> MetricFamilies:
    jobs = GaugeMetricFamily("ted_jobs", "Jobs in the database.", labels=["status"])
    for status, count in snapshot.jobs.items():
        jobs.add_metric([status], count)
    yield jobs
    yield _gauge(
        "ted_queue_oldest_seconds", "How long the oldest queued job has waited.", snapshot.queued.oldest_seconds
    )
    yield _gauge("ted_outbox_hints", "Hints that wait to be published.", snapshot.wake_ups.count)
    yield _gauge("ted_outbox_oldest_seconds", "How long the oldest hint has waited.", snapshot.wake_ups.oldest_seconds)
    yield _gauge("ted_stale_leases", "Jobs whose worker is silent, not yet put back.", snapshot.stale_leases.count)
    deliveries = GaugeMetricFamily("ted_deliveries", "Messages to webhooks that are remembered.", labels=["status"])
    for progress, count in snapshot.deliveries.items():
        deliveries.add_metric([progress], count)
    yield deliveries
    yield _gauge(
        "ted_delivery_oldest_seconds",
        "How long the oldest message that is due has waited.",
        snapshot.due_deliveries.oldest_seconds,
    )
    yield _gauge("ted_sweeper_leads", "1 if a sweeper is at work.", float(snapshot.is_sweeper_present))


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _counters(snapshot: MetricsSnapshot) -> MetricFamilies:
    def total(name: str, meaning: str, counter: str) -> Metric:
        return CounterMetricFamily(name, meaning, value=snapshot.totals.get((counter, ""), 0))

    yield total("ted_jobs_submitted", "Jobs stored.", counters.SUBMITTED)
    yield total("ted_lease_expiries", "Jobs taken from workers that fell silent.", counters.LEASE_EXPIRIES)
    yield total("ted_fenced_attempts", "Attempts that ended because their lease was lost.", counters.FENCED)
    yield total("ted_artifacts_lost", "Published files that proved to be gone or damaged.", counters.ARTIFACTS_LOST)
    moves = CounterMetricFamily(
        "ted_job_moves", "Moves into a status: running counts attempts, queued those to be repeated.", labels=["status"]
    )
    for status in JobStatus:
        moves.add_metric([status], snapshot.totals.get((counters.JOB_MOVES, status), 0))
    yield moves
    yield _phase_summary(snapshot)


def _phase_summary(snapshot: MetricsSnapshot) -> Metric:
    phases = SummaryMetricFamily("ted_phase_seconds", "What succeeded jobs spent on each phase.", labels=["phase"])
    for (counter, phase), count in snapshot.totals.items():
        if counter == counters.PHASES:
            seconds = snapshot.totals[counters.PHASE_SECONDS, phase]
            phases.add_metric([phase], count_value=int(count), sum_value=seconds)
    return phases
