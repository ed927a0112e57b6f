"""A name that leads somewhere else at every look-up takes no webhook to an address that was not checked."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.faults.environment.rebinding import ATTEMPTS, LOOPBACK, PUBLIC, REFUSED
from tests.faults.service import ROOT

pytestmark = pytest.mark.faults

NAMESPACES = ("unshare", "--net", "--mount")


def test_connections_go_to_the_addresses_that_were_checked() -> None:
    if not shutil.which("ip") or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may make namespaces of its own, and the ip command must be installed")
    command = [*NAMESPACES, sys.executable, "-m", "tests.faults.environment.rebinding"]

    sent = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    connections = json.loads(sent.stdout)
    assert LOOPBACK not in connections
    assert connections == {PUBLIC: ATTEMPTS / 2, REFUSED: ATTEMPTS / 2}
