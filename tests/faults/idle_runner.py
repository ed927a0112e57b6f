"""A runner that trains nothing, for tests of many thousand jobs, which test the engine around it.

It keeps the protocol (one assignment in, a ``staged`` message out) and imports next to nothing, so that a job costs
tens of milliseconds instead of seconds.
"""

import hashlib
import json
import sys
from pathlib import Path

assignment = json.loads(sys.stdin.readline())
folder = Path(assignment["folder"])
content = json.dumps(assignment["spec"]["plan"], sort_keys=True).encode()
for kind in ("manifest.parquet", "decisions.parquet", "report.json"):
    (folder / kind).write_bytes(content)
staged = {
    "kind": "staged",
    "manifest": str(folder / "manifest.parquet"),
    "decisions": str(folder / "decisions.parquet"),
    "report": str(folder / "report.json"),
    "result": {"content_sha256": hashlib.sha256(content).hexdigest()},
}
sys.stdout.write(json.dumps(staged) + "\n")
sys.stdout.flush()
