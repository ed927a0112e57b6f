"""``python -m worker.doctor.torch_device NAME THREADS``: the device with this name, as JSON.

The doctor's only use of torch.
"""

import json
import sys
from typing import Any

import torch

from ted_core.errors import TedError
from ted_core.machine.device import describe_device, resolve_device


def device_facts(name: str) -> dict[str, Any]:
    """Return what the device is, and its memory in bytes, 0 if it has none of its own. Raises DeviceMissing."""
    device = resolve_device(name)
    free, total = torch.cuda.mem_get_info(device) if device.startswith("cuda") else (0, 0)
    return {"device": device, "name": describe_device(device), "free_bytes": free, "bytes": total}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    try:
        sys.stdout.write(json.dumps(device_facts(sys.argv[1])))
    except TedError as error:
        sys.exit(str(error))
