"""A runner that trains nothing, for tests of many thousand jobs, which test the engine around it.

It keeps the protocol (one assignment in, a ``staged`` message out) and imports next to nothing, so that a job costs
tens of milliseconds instead of seconds. A job's label ``runner`` can make it crash instead, or wait for its end.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

assignment = json.loads(sys.stdin.readline())
{"crash": os.abort, "wait": sys.stdin.read}.get(assignment["spec"]["metadata"].get("runner"), lambda: None)()
folder, plan = Path(assignment["folder"]), assignment["spec"]["plan"]
content = json.dumps(plan, sort_keys=True).encode()
digest = hashlib.sha256(content).hexdigest()
for kind in ("manifest.parquet", "decisions.parquet", "suspects.parquet", "report.json"):
    (folder / kind).write_bytes(content)
counts = {"rows_trained": 0, "rows_measured": 0, "full_run_rows": 0, "of_one_full_run": 0.0, "seconds": 0.0}
result = {
    "rows_in": 0,
    "rows_kept": 0,
    "achieved_ratio": plan["keep_ratio"],
    "dataset_fingerprint": digest,
    "indices_sha256": digest,
    "content_sha256": digest,
    "q": {"value": None, "chosen_by": "client"},
    "cost": counts,
}
staged = {
    "kind": "staged",
    "manifest": str(folder / "manifest.parquet"),
    "decisions": str(folder / "decisions.parquet"),
    "suspects": str(folder / "suspects.parquet"),
    "report": str(folder / "report.json"),
    "result": result,
}
sys.stdout.write(json.dumps(staged) + "\n")
sys.stdout.flush()
