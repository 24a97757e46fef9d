"""Run a command and write its peak memory (KiB) to a file: peak_memory.py FILE COMMAND [ARGUMENT...]."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

done = subprocess.run(sys.argv[2:], check=False)
Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(done.returncode)
