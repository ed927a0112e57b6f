"""A progress bar for a selection that is made in this process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ted_core.selection.rounds import ProgressCallback, ProgressUpdate, ignore_progress

UNIT = 100
FORMAT = "{l_bar}{bar}| {elapsed}, about {remaining} left"


@contextmanager
def progress_bar(*, wanted: bool) -> Iterator[ProgressCallback]:
    """Yield a function that shows a run's progress: in a notebook or on a terminal, and nowhere else.

    tqdm draws it if it is installed; in a notebook as a widget if ipywidgets are.
    """
    if not (wanted and find_spec("tqdm") and (_in_notebook() or sys.stderr.isatty())):
        yield ignore_progress
        return
    with _bar() as bar:
        yield lambda step: _show(bar, step)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


def _bar() -> Any:
    from tqdm.std import tqdm  # noqa: PLC0415 - not everybody has it

    if _in_notebook() and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm  # noqa: PLC0415
    return tqdm(total=UNIT, desc="selecting", bar_format=FORMAT, mininterval=0.2)


def _show(bar: Any, step: ProgressUpdate) -> None:
    bar.set_description(f"round {step.round}/{step.rounds}", refresh=False)
    bar.update(step.fraction * UNIT - bar.n)
