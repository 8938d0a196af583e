"""Every benchmark can be started: it imports what there is, and says what it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(
    str(path)
    for path in FOLDER.glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
# Started by others, in an environment that has the peers.
PEERS = {"quality_peer_run.py", "forest_peer.py"}

# All in one process: most of what each takes is importing the same libraries.
STARTS_ALL = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
for script in sys.argv[2:]:
    sys.argv = [script, "--help"]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        assert not end.code, script
    print("\\n--started", script)
"""


def test_every_benchmark_starts_and_says_what_it_does():
    scripts = [script for script in SCRIPTS if Path(script).name not in PEERS]
    assert len(scripts) > 15
    paths = [path for path in sys.path if path and Path(path) != FOLDER.parent]
    done = subprocess.run(
        [sys.executable, "-c", STARTS_ALL, str(FOLDER), *scripts],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER,  # as a script is started: the project's root is on no path
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.split("\n--started ")
    for script, text in zip(scripts, said, strict=False):
        assert "usage:" in text.lower(), script
