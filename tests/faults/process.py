"""One service with failpoints, from the command line: `IMR_FAULTS=<folder> python -m tests.faults.process producer`.

`worker` and `imr ...` likewise; what follows is handed on. The harness itself forks services (see `zygote`).
"""

from __future__ import annotations

import sys

from tests.faults.zygote import run

if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
