"""Which modules a child process of ours runs."""

import subprocess
from pathlib import Path

from ted_core.python_process import module_command


def test_a_child_never_runs_a_module_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "ted_cli.py").write_text("raise SystemExit('a stranger')")

    watchdog = subprocess.run(
        module_command("ted_cli.local.watchdog"), cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60, check=False
    )

    assert watchdog.returncode == 0
