"""How a module of ours is run as a process of its own."""

import sys


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs the installed module in this interpreter.

    ``-P`` leaves the current folder out of the child's import path. With ``-m`` alone Python looks there first, and a
    ``service.py`` in the folder in which somebody happens to work would be run in place of ours.
    """
    return (sys.executable, "-P", "-m", module, *arguments)
