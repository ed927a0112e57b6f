"""A job as the service's runner does it, in processor time: what a selection costs with all that is around it."""

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ranks.runner import assignment, until_staged
from benchmarks.setting import SettingData
from ted_core.plan import PruningPlan
from ted_core.python_process import module_command
from ted_jobs.jobs.spec import JobSpec

WHOLE_JOB = "the whole job"
TASKS = {"image": "image-classification", "vector": "tabular-classification"}


def run_job(data: SettingData, plan: PruningPlan) -> dict[str, Any]:
    """Return the seconds that a runner takes, of the wall and of processors, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        spec = _job(data, plan, Path(folder))
        line = assignment(spec.dataset, spec, 1, Path(folder) / "attempt").model_dump_json()
        began, before = time.perf_counter(), _processor_seconds()
        _run(line)
        seconds = {"seconds": time.perf_counter() - began, "processor_seconds": _processor_seconds() - before}
    return {**seconds, "row_visits": None, "rows_measured": None}


def _job(data: SettingData, plan: PruningPlan, folder: Path) -> JobSpec:
    """The job, on a copy of the data in a form that the service reads."""
    inputs = np.asarray(data.train.inputs)
    rows = np.moveaxis(inputs, 1, -1) if data.train.kind == "image" else inputs
    np.savez(folder / "rows.npz", x=rows, y=data.train.labels)
    dataset = {"uri": str(folder / "rows.npz"), "task": TASKS[data.train.kind]}
    (folder / "attempt").mkdir()
    return JobSpec.model_validate({"dataset": dataset, "proxy": data.proxy, "plan": plan})


def _run(line: str) -> None:
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(module_command("worker.runner"), env=one_thread, **streams) as process:  # noqa: S603 - our own
        assert process.stdin  # noqa: S101
        print(line, file=process.stdin, flush=True)
        until_staged(process.stdout)


def _processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
