"""Worker processes of the benchmarks."""

import subprocess
import sys
import textwrap
from pathlib import Path

import psutil

PROGRAM = """
    import os, time
    from benchmarks.harness import workers

    def sleep(task, say):
        print(os.getpid(), flush=True)
        time.sleep(600)

    if __name__ == "__main__":
        workers.run([1], sleep, jobs=1)
"""


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        worker = psutil.Process(int(parent.stdout.readline()))

        parent.kill()

        worker.wait(timeout=10)
