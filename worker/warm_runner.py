"""``python -m worker.warm_runner``: imports all that a runner needs, and forks one for each request."""

import torch

from worker import runner
from worker.child.fork_server import serve


def warm_up() -> None:
    """Have torch import what it leaves for the first optimizer, its compiler and SymPy: a third of all imports.

    Nothing is computed: that would start threads, and ask for an accelerator, neither of which survives a fork.
    """
    model = torch.nn.Linear(1, 1, device="meta")
    torch.optim.SGD(model.parameters())


if __name__ == "__main__":
    warm_up()
    serve(runner.main)
