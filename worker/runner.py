"""``python -m worker.runner``: the child process that trains. No Celery, no SQL.

It reads one assignment from standard input and writes messages to standard output. Standard input then stays open as
a lifeline: when it ends, the supervisor is gone, and so is the runner a moment later.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from threading import Thread

import torch

from ted_core.datasets import DatasetIdentity, Limits, Samples, identify, inspect, load
from ted_core.errors import DatasetChanged, OutOfMemory, StorageFull, TedError
from ted_core.proxies import ResolvedProxy, resolve_proxy
from ted_core.results import report_builder
from ted_core.results.decisions import Decisions
from ted_core.results.explain import decide
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.report import PhaseSeconds
from ted_core.results.report_builder import RoundLog
from ted_core.selection.base_model import base_model
from ted_core.selection.prune import prune
from ted_core.selection.rounds import ProgressUpdate, Round
from ted_core.storage.content_cache import trim
from ted_core.storage.rlimit import limit_memory
from ted_core.training.features import prepare_samples
from worker.checkpoints import RunCheckpointer, run_key
from worker.device import resolve_device
from worker.eta import EtaEstimator
from worker.messages import Assignment, Failed, ProgressMessage, RoundDone, RunnerMessage, Staged
from worker.phase_timer import PhaseTimer
from worker.provenance_builder import ProvenanceBuilder

SendMessage = Callable[[RunnerMessage], None]
OUT_OF_MEMORY_MESSAGES = ("DefaultCPUAllocator", "can't start new thread", "could not create a primitive")
"""What the runtime errors of torch, Python and oneDNN say if memory has run out."""
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """Run the assignment on standard input; report the errors that have a name instead of raising them."""
    report = _message_sender()
    assignment = Assignment.model_validate_json(sys.stdin.readline())
    Thread(target=_exit_with_supervisor, daemon=True).start()
    if assignment.memory_ceiling:
        limit_memory(assignment.memory_ceiling)
    try:
        run_assignment(assignment, report)
    except TedError as error:
        report(Failed.from_error(error))
    except (MemoryError, torch.OutOfMemoryError) as error:
        report(Failed.from_error(OutOfMemory(str(error))))
    except RuntimeError as error:
        if not any(text in str(error) for text in OUT_OF_MEMORY_MESSAGES):
            raise
        report(Failed.from_error(OutOfMemory(str(error).splitlines()[0])))
    except OSError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise
        report(Failed.from_error(StorageFull(str(error))))


def _message_sender() -> SendMessage:
    """A function that writes messages to standard output; everything else printed there goes to standard error."""
    messages = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return lambda message: print(message.model_dump_json(), file=messages, flush=True)


def _exit_with_supervisor() -> None:
    sys.stdin.read()
    os._exit(os.EX_TEMPFAIL)


def run_assignment(assignment: Assignment, report: SendMessage) -> None:
    """Load, prune and write; end with a Staged message. Raises TedError."""
    torch.set_num_threads(assignment.threads)
    plan = assignment.spec.plan
    device = resolve_device(assignment.device)
    timer = PhaseTimer()
    report(ProgressMessage(phase="loading"))
    if assignment.cache:
        trim(assignment.cache, at_most=assignment.cache_bytes)
    with timer.measure("loading"):
        proxy = _resolve_proxy(assignment)
        samples, identity = _load_samples(assignment)
        samples = prepare_samples(samples, proxy, device=device)
        run = run_key(assignment, proxy, fingerprint=identity.fingerprint, device=device)
    checkpoints = RunCheckpointer(assignment, run=run, report=report)
    with timer.measure("pruning", already=checkpoints.seconds_before):
        rounds = prune(
            samples, plan, proxy=proxy, device=device, watch=ProgressReporter(report), checkpointer=checkpoints
        )
        report(ProgressMessage(phase="pruning"))
        base = base_model(samples, plan, proxy, device=device)
        final = _final_round(rounds, checkpoints.log, report)
    report(ProgressMessage(phase="writing", round=final.number, rounds=final.rounds, fraction=1.0))
    _check_unchanged(assignment)
    builder = ProvenanceBuilder(
        assignment, proxy, samples, identity, base, final=final, device=device, seconds=timer.total
    )
    decisions = decide(final, samples, plan, base=base.performance if base else None)
    report(_write_results(builder, decisions, checkpoints.log, timer))


def _write_results(builder: ProvenanceBuilder, decisions: Decisions, log: RoundLog, timer: PhaseTimer) -> Staged:
    """Write the manifest, the decisions and the report into the assignment's folder."""
    folder = builder.assignment.folder
    with timer.measure("writing"):
        written = write_manifest(folder, decisions, provenance=builder.provenance())
    seconds = PhaseSeconds(**timer.seconds)
    report = report_builder.build_report(decisions, log, metadata=written.metadata, seconds=seconds)
    return Staged(
        manifest=written.manifest,
        decisions=written.decisions,
        report=report_builder.write_report(folder, report),
        result=builder.result(written.metadata) | {"seconds": timer.seconds},
    )


def _resolve_proxy(assignment: Assignment) -> ResolvedProxy:
    return resolve_proxy(
        assignment.spec.proxy,
        model_roots=assignment.model_roots,
        cache=assignment.cache,
        batch_parts=assignment.batch_parts,
    )


def _load_samples(assignment: Assignment) -> tuple[Samples, DatasetIdentity]:
    """The samples, and the identity of their files, which have not changed since the job was submitted."""
    dataset = assignment.spec.dataset
    roots = assignment.dataset_roots
    _check_unchanged(assignment)
    identity = identify(dataset, roots=roots)
    limits = Limits(
        assignment.threads,
        assignment.memory_bytes,
        assignment.max_undecodable,
        assignment.cache,
        assignment.cache_bytes,
        identity=f"{assignment.dataset_guard} {identity.fingerprint}",
    )
    return load(dataset, roots=roots, limits=limits), identity


def _check_unchanged(assignment: Assignment) -> None:
    """Raise DatasetChanged if the files are not those that were submitted."""
    if inspect(assignment.spec.dataset, roots=assignment.dataset_roots).change_token != assignment.dataset_guard:
        raise DatasetChanged(assignment.spec.dataset.uri, field="dataset.uri")


def _final_round(rounds: Iterator[Round], log: RoundLog, report: SendMessage) -> Round:
    """The final round. Each round is reported and logged when it ends."""
    final = None
    for final in rounds:
        report(RoundDone.from_round(final))
        log.note(final)
    assert final, "pruning yields at least one round"  # noqa: S101
    return final


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
