"""``python -m tests.fuzz TARGET [libFuzzer's arguments]``: fuzzes one target, guided by the Python code it reaches."""

import sys

import atheris

with atheris.instrument_imports(
    include=["ted_core", "ted_client", "tarfile", "zipfile", "numpy.lib", "PIL", "email", "gzip"]
):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    program, target, *arguments = sys.argv
    atheris.Setup([program, *arguments], TARGETS[target])
    atheris.Fuzz()
