"""``python -m benchmarks.archive {pack,unpack} NAME DIR [DIR ...]``: results into the repository and back.

``pack`` adds what is finished in DIR to ``benchmarks/archive/results/NAME``, one file of each kind and without masks;
``python -m benchmarks.results`` reads that folder like any other. ``unpack`` makes of it a folder of results again, in
which a benchmark goes on with what is not finished.
"""

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.archive.packing import pack, unpack

ARCHIVES = Path(__file__).parent / "results"


def main() -> None:
    """Pack or unpack, and say how much."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("direction", choices=["pack", "unpack"])
    options.add_argument("name", help="of the archive")
    options.add_argument("folders", nargs="+", type=Path, help="of results")
    arguments = options.parse_args()
    archive = ARCHIVES / arguments.name
    if arguments.direction == "pack":
        counts = pack(arguments.folders, archive)
        Console().print(", ".join(f"{count} rows of {kind}" for kind, count in counts.items()) or "nothing finished")
    else:
        for folder in arguments.folders:
            Console().print(f"{unpack(archive, folder)} files written to {folder}", soft_wrap=True)


if __name__ == "__main__":
    main()
