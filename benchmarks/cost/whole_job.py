"""A job as the service's runner does it, in processor time: what a selection costs with all that is around it.

What a worker does once and not for each job, importing what runners need, does not count. Linux only.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ranks.runner import assignment, until_staged
from benchmarks.setting import SettingData
from ted_core.plan import PruningPlan
from ted_jobs.jobs.spec import JobSpec
from worker.child.starting import PROCESS_NAME

WHOLE_JOB = "the whole job"
WARM_RUNNER = "from worker import runner, warm_runner; warm_runner.warm_up(); runner.main()"
TASKS = {"image": "image-classification", "vector": "tabular-classification"}


def run_job(data: SettingData, plan: PruningPlan) -> dict[str, Any]:
    """Return the seconds that a runner on standby takes, of the wall and of processors, until it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        spec = _job(data, plan, Path(folder))
        line = assignment(spec.dataset, spec, 1, Path(folder) / "attempt").model_dump_json()
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command, one_thread = [sys.executable, "-c", WARM_RUNNER], os.environ | {"OMP_NUM_THREADS": "1"}
        before = _of_ended_children()
        with subprocess.Popen(command, env=one_thread, **streams) as process:  # noqa: S603 - our own modules
            importing = _imported(process.pid)
            began = time.perf_counter()
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            until_staged(process.stdout)
            seconds = time.perf_counter() - began
    processor_seconds = _of_ended_children() - before - importing
    return {"seconds": seconds, "processor_seconds": processor_seconds, "row_visits": None, "rows_measured": None}


def _imported(runner: int) -> float:
    """Wait until the process calls itself a runner, and return the processor seconds that it took until then."""
    folder = Path(f"/proc/{runner}")
    while (folder / "comm").read_text().strip() != PROCESS_NAME:
        time.sleep(0.01)
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _job(data: SettingData, plan: PruningPlan, folder: Path) -> JobSpec:
    """The job, on a copy of the data in a form that the service reads."""
    inputs = np.asarray(data.train.inputs)
    rows = np.moveaxis(inputs, 1, -1) if data.train.kind == "image" else inputs
    np.savez(folder / "rows.npz", x=rows, y=data.train.labels)
    dataset = {"uri": str(folder / "rows.npz"), "task": TASKS[data.train.kind]}
    (folder / "attempt").mkdir()
    return JobSpec.model_validate({"dataset": dataset, "proxy": data.proxy, "plan": plan})


def _of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
