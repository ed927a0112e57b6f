"""A runner that trains nothing, like the idle one, and crashes in another way each time if the job's seed is 13."""

import io
import json
import runpy
import sys
import uuid
from pathlib import Path

assignment = sys.stdin.readline()
if json.loads(assignment)["spec"]["plan"]["seed"] == 13:
    raise KeyError(uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop")))
sys.stdin = io.StringIO(assignment)
runpy.run_path(str(Path(__file__).with_name("idle_runner.py")))
