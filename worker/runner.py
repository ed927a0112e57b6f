"""``python -m worker.runner``: the child process that trains. No Celery, no SQL.

It reads one assignment from standard input and writes messages to standard output. Standard input then stays open as
a lifeline: when it ends, the supervisor is gone, and so is the runner a moment later.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock, Thread

import pyarrow as pa
import structlog
import torch

from ted_core.datasets import DatasetIdentity, Limits, Samples, inspect, read_rows
from ted_core.datasets.outages import retry_while_away
from ted_core.datasets.summary import tells_rows
from ted_core.distributed.world import World
from ted_core.errors import DatasetChanged, DatasetUnreadable
from ted_core.proxies import ResolvedProxy, resolve_proxy
from ted_core.proxies.precision import require_precision
from ted_core.results.decisions import Decisions
from ted_core.results.explain import decide
from ted_core.results.proxy_accuracy import proxy_accuracy
from ted_core.results.report import ReportExamples
from ted_core.results.report_builder import RoundLog
from ted_core.results.report_samples import report_samples
from ted_core.results.selection_warnings import selection_warnings
from ted_core.results.writing.files import write_results
from ted_core.results.writing.phase_timer import PhaseTimer
from ted_core.results.writing.provenance_builder import ProvenanceBuilder, dataset_facts
from ted_core.row_count import counting_rows
from ted_core.selection.base_model import base_model
from ted_core.selection.prune import prune
from ted_core.selection.rounds import ProgressUpdate, Round
from ted_core.storage.content_cache import trim
from ted_core.training.features import prepare_samples
from ted_core.warnings import JobWarning, distinct, refuse_warnings, updated
from ted_jobs.errors import MachineFailed, RunnerCrashed
from worker.checkpoints import RunCheckpointer, first_usable_checkpoint, run_key
from worker.child.starting import PROCESS_NAME
from worker.job_result import job_result, measured_speed
from worker.memory import limit_runner, require_runner_memory
from worker.messages import Assignment, Failed, ProgressMessage, RoundDone, RunnerMessage, Staged, Warned
from worker.ranks.devices import rank_devices, resolve_rank_device, shared_out
from worker.ranks.joining import joined_world
from worker.ranks.processes import RankProcesses
from worker.ranks.reading import RankDataset, WholeDataset, is_divided, rank_dataset
from worker.ranks.rendezvous import watch_hosts
from worker.ranks.seats import Seats
from worker.runner_errors import named_error
from worker.timing.eta import EtaEstimator
from worker.timing.preparation import PreparationReporter

SendMessage = Callable[[RunnerMessage], None]

log = structlog.get_logger()

COMM = Path("/proc/self/comm")


def main() -> None:
    """Run the assignment on standard input; report the error that ends it."""
    _name_process()
    report = MessageWriter()
    assignment = Assignment.model_validate_json(sys.stdin.readline())
    seats = Seats(rank_devices(assignment), nodes=assignment.nodes)
    assignment = shared_out(assignment, len(seats.devices))
    others = RankProcesses(seats.numbers[1:], partial(_fork_rank, assignment, report, seats))
    Thread(target=_exit_with_supervisor, daemon=True).start()
    others.watch(partial(_end_with, report))
    try:
        limit_runner(assignment)
        run_assignment(assignment, report, Ranks(seats, others))
    except Exception as error:
        named = named_error(error)
        others.conclude(failed := Failed.from_error(named))
        report(failed)
        if isinstance(named, RunnerCrashed | MachineFailed):
            raise  # so that the log holds the traceback


def _name_process() -> None:
    with suppress(OSError):  # on macOS
        COMM.write_text(PROCESS_NAME)


class MessageWriter:
    """Writes messages to standard output; everything else printed there goes to standard error."""

    def __init__(self) -> None:
        self._messages = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._lock = Lock()

    def __call__(self, message: RunnerMessage) -> None:
        """Write one message, whole."""
        with self._lock:
            self._messages.write(f"{message.model_dump_json()}\n")
            self._messages.flush()

    def close(self) -> None:
        """Write no more: in a fork, which would otherwise keep the supervisor waiting for its end."""
        self._messages.close()


def _exit_with_supervisor() -> None:
    sys.stdin.read()
    os._exit(os.EX_TEMPFAIL)


def _end_with(report: SendMessage, failed: Failed) -> None:
    """Report why one of the ranks has failed, and end them all."""
    report(failed)
    os._exit(os.EX_SOFTWARE)


@dataclass(frozen=True)
class Ranks:
    """Those that work on the job; this process is the first of them."""

    seats: Seats
    others: RankProcesses


def _fork_rank(assignment: Assignment, report: MessageWriter, seats: Seats, rank: int) -> None:
    report.close()
    take_part(assignment, seats, rank)


def take_part(assignment: Assignment, seats: Seats, rank: int) -> None:
    """Do what a rank other than the first does: load and prune as that one does. Raises TedError."""
    limit_runner(assignment)
    _limit_threads(assignment)
    device = resolve_rank_device(seats, rank)
    with joined_world(assignment, seats, rank=rank, device=device) as world:
        proxy, dataset = _resolve_proxy(assignment), rank_dataset(assignment, world)
        is_asked = is_divided(assignment) or (seats.node and rank == seats.numbers.start)
        identity = dataset.identity if is_asked else None
        fingerprint = world.broadcast("")
        if identity and identity.fingerprint != fingerprint:
            raise _dataset_changed(assignment)
        samples = _prepared(assignment, proxy, dataset, fingerprint=fingerprint, device=device)
        for _ in prune(samples, assignment.spec.plan, proxy=proxy, device=device, world=world):
            pass


def _limit_threads(assignment: Assignment) -> None:
    torch.set_num_threads(assignment.threads)
    pa.set_cpu_count(assignment.threads)


def _prepared(
    assignment: Assignment,
    proxy: ResolvedProxy,
    dataset: RankDataset,
    *,
    fingerprint: str,
    device: str,
    report: SendMessage = lambda _: None,
) -> Samples:
    """The samples as the proxy trains on them, if there is memory for that."""
    loaded = dataset.load(_limits(assignment, fingerprint))
    with counting_rows(PreparationReporter(report, phase="loading", rows=len(loaded))):
        samples = prepare_samples(loaded, proxy, device=device)
    require_runner_memory(assignment, proxy, samples, device=device)
    return samples


def run_assignment(assignment: Assignment, report: SendMessage, ranks: Ranks) -> None:
    """Load, prune and write; end with a Staged message. Raises TedError."""
    device = resolve_rank_device(ranks.seats, 0)
    with joined_world(assignment, ranks.seats, rank=0, device=device) as world:
        if assignment.nodes > 1:
            watch_hosts(assignment.rendezvous, ranks.seats, partial(_end_with, report))
        _run(assignment, report, world, device=device, join=ranks.others.join)


def _run(assignment: Assignment, report: SendMessage, world: World, *, device: str, join: Callable[[], None]) -> None:
    _limit_threads(assignment)
    plan = assignment.spec.plan
    timer = PhaseTimer()
    report(ProgressMessage(phase="loading"))
    if assignment.cache:
        trim(assignment.cache, at_most=assignment.cache_bytes)
    with timer.measure("loading"):
        proxy = _resolve_proxy(assignment)
        require_precision(proxy.training, device=device)
        dataset = rank_dataset(assignment, world)
        identity, run = _identify_run(assignment, proxy, dataset, device=device, ranks=world.size)
        fingerprint = world.broadcast(identity.fingerprint)
        samples = _prepared(assignment, proxy, dataset, fingerprint=fingerprint, device=device, report=report)
    warnings = WarningReporter(assignment, report)
    warnings.note(samples.warnings)
    warnings.check()
    checkpoints = RunCheckpointer(assignment, run=run, report=report)
    with timer.measure("pruning", already=checkpoints.seconds_before):
        rounds = prune(
            samples,
            plan,
            proxy=proxy,
            device=device,
            watch=ProgressReporter(report),
            checkpointer=checkpoints,
            world=world,
        )
        report(ProgressMessage(phase="pruning"))
        with counting_rows(PreparationReporter(report, phase="pruning", rows=len(samples))):
            base = base_model(samples, plan, proxy, device=device)
        final = _final_round(rounds, checkpoints.log, report)
        join()
    report(ProgressMessage(phase="writing", round=final.number, rounds=final.rounds, fraction=1.0))
    _check_unchanged(assignment, identity)
    accuracy = proxy_accuracy(final.predictions, samples, base=base.predictions if base else None)
    decisions = decide(final, samples, plan, base=base.performance if base else None, accuracy=accuracy)
    warnings.note(selection_warnings(decisions, accuracy=accuracy, ratio=final.ratio_choice))
    warnings.check()
    builder = ProvenanceBuilder(
        dataset_facts(assignment.spec.dataset, identity),
        plan,
        proxy,
        samples,
        base,
        final,
        device=device,
        seconds=timer.total,
        accuracy=accuracy,
        warnings=warnings.all,
        job_id=assignment.job_id or None,
        ranks=world.size,
        owners=dataset.owners,
        nodes=assignment.nodes,
        batch_parts=assignment.batch_parts,
    )
    report(_write_results(builder, decisions, assignment, checkpoints.log, timer))


def _write_results(
    builder: ProvenanceBuilder, decisions: Decisions, assignment: Assignment, log: RoundLog, timer: PhaseTimer
) -> Staged:
    """Write the manifest, the decisions, the suspects and the report into the assignment's folder."""
    written = write_results(
        assignment.folder,
        decisions,
        builder=builder,
        log=log,
        timer=timer,
        show=lambda chosen: _with_samples(chosen, assignment, builder.samples),
    )
    return Staged(
        manifest=written.manifest,
        decisions=written.decisions,
        suspects=written.suspects,
        report=written.report,
        result=job_result(builder, written.metadata) | {"seconds": timer.seconds},
        speed=measured_speed(builder, seconds=timer.seconds["pruning"], spec=assignment.spec),
    )


def _with_samples(examples: ReportExamples, assignment: Assignment, samples: Samples) -> ReportExamples:
    """The examples with what their rows hold, unless the job asks for a report without samples."""
    if not assignment.spec.report_samples:
        return examples
    dataset = assignment.spec.dataset

    def read(names: Sequence[str], rows: Sequence[int]) -> Iterator[pa.RecordBatch]:
        return read_rows(dataset, rows, columns=names, roots=assignment.dataset_roots)

    try:
        found = retry_while_away(lambda: report_samples(samples, examples.rows, spec=dataset, read=read))
    except Exception as error:  # whatever it is, the selection stands, and a report can do without samples
        log.warning("samples_not_shown", job_id=assignment.job_id or None, error=repr(error))
        return examples
    return examples.with_samples(found)


def _resolve_proxy(assignment: Assignment) -> ResolvedProxy:
    return resolve_proxy(
        assignment.spec.proxy,
        model_roots=assignment.model_roots,
        cache=assignment.cache,
        batch_parts=assignment.batch_parts,
    )


def _identify_run(
    assignment: Assignment, proxy: ResolvedProxy, dataset: RankDataset, *, device: str, ranks: int
) -> tuple[DatasetIdentity, str]:
    """Return the identity of the dataset's files and the key of this run. Raise DatasetChanged for other files.

    Those of which a submission saw another size or time are other files, unless an earlier attempt at the job has read
    them with the same content: the submission itself knows nothing of their content.
    """
    is_unchanged = _matches_guard(assignment) is not False
    if not (is_unchanged or assignment.checkpoints):
        raise _dataset_changed(assignment)
    identity = dataset.identity
    run = run_key(assignment, proxy, fingerprint=identity.fingerprint, device=device, ranks=ranks)
    if not (is_unchanged or first_usable_checkpoint(assignment.checkpoints, run=run)):
        raise _dataset_changed(assignment)
    return identity, run


def _limits(assignment: Assignment, fingerprint: str) -> Limits:
    return Limits(
        assignment.threads,
        assignment.memory_bytes,
        assignment.max_undecodable,
        assignment.cache,
        assignment.cache_bytes,
        identity=f"{assignment.dataset_guard} {fingerprint}",
    )


def _check_unchanged(assignment: Assignment, identity: DatasetIdentity) -> None:
    """Raise DatasetChanged if the files no longer hold what was read. Those that were only touched are read again."""
    if _matches_guard(assignment) is not True and WholeDataset(assignment).identity.fingerprint != identity.fingerprint:
        raise _dataset_changed(assignment)


def _matches_guard(assignment: Assignment) -> bool | None:
    """Return whether names, sizes, times and rows are those that were submitted; None if the submission saw too few."""
    dataset, roots = assignment.spec.dataset, assignment.dataset_roots
    try:
        summary = retry_while_away(lambda: inspect(dataset, roots=roots))
    except DatasetUnreadable as error:
        if not tells_rows(assignment.dataset_guard):  # or else it was readable when it was submitted
            raise
        raise DatasetChanged(error.fact, field=error.field) from error
    return summary.matches(assignment.dataset_guard)


def _dataset_changed(assignment: Assignment) -> DatasetChanged:
    return DatasetChanged(assignment.spec.dataset.uri, field="dataset.uri")


def _final_round(rounds: Iterator[Round], log: RoundLog, report: SendMessage) -> Round:
    """The final round. Each round is reported and logged when it ends."""
    final = None
    for final in rounds:
        report(RoundDone.from_round(final))
        log.note(final)
    assert final, "pruning yields at least one round"  # noqa: S101
    return final


class WarningReporter:
    """The job's warnings so far. What the submission could not see is reported when it is noted."""

    def __init__(self, assignment: Assignment, report: SendMessage) -> None:
        self.submitted, self.is_strict = assignment.warnings, assignment.spec.strict
        self.found: tuple[JobWarning, ...] = ()
        self.report = report

    @property
    def all(self) -> tuple[JobWarning, ...]:
        """Those of the submission, and those that were found since."""
        return updated(self.submitted, self.found)

    def note(self, found: Iterable[JobWarning]) -> None:
        """Add what was found."""
        known = {*self.submitted, *self.found}
        self.found = distinct(self.found, found)
        for warning in self.found:
            if warning not in known:
                self.report(Warned(**vars(warning)))

    def check(self) -> None:
        """Raise WarningsRefused if the job is strict and there are warnings."""
        if self.is_strict:
            refuse_warnings(self.all)


class ProgressReporter:
    """Reports the steps of pruning as progress, a few times a second at most."""

    def __init__(self, report: SendMessage) -> None:
        self.report = report
        self.eta = EtaEstimator()

    def __call__(self, step: ProgressUpdate) -> None:
        estimate = self.eta.estimate(step.samples_trained, step.fraction)
        if estimate:
            self.report(
                ProgressMessage(
                    phase="pruning",
                    round=step.round,
                    rounds=step.rounds,
                    fraction=step.fraction,
                    samples_per_second=estimate.samples_per_second,
                    eta_seconds=estimate.eta_seconds,
                )
            )


if __name__ == "__main__":
    main()
