"""How a module of ours is run as a process of its own."""

import os
import sys


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs the installed module in this interpreter.

    ``-P`` leaves the current folder out of the child's import path. With ``-m`` alone Python looks there first, and a
    ``service.py`` in the folder in which somebody happens to work would be run in place of ours.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def computing_environment() -> dict[str, str]:
    """Return this process's variables for a child that loads torch.

    Threads of OpenMP wait for each other by spinning, unless ``OMP_WAIT_POLICY`` says otherwise. As soon as a core has
    other work as well, each of them spins through the time that the thread it waits for would need. The variable is
    read when torch is loaded, so it is set before; who has set it already has a reason.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
