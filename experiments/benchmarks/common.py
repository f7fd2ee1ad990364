"""What the benchmark scripts share: how programs are run, and how result files are written."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONVOY = ROOT / "build/release/convoy"

# Open MPI as root is refused without the first two; more workers than cores must not spin while they wait.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
       "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "an unnamed processor"


def run(command, **environment):
    """What the command prints on standard output; ends the script if it fails."""
    done = subprocess.run([str(word) for word in command], env={**os.environ, **MPI, **environment}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{' '.join(map(str, command))} exited with {done.returncode}")
    return done.stdout


def answer(command, **environment):
    """The one line of JSON among what the command prints."""
    return json.loads([line for line in run(command, **environment).splitlines() if line.startswith("{")][-1])


def write_result(name, *, on, columns, rows, **more):
    """experiments/results/NAME.json, from which tables.py makes the README's table."""
    result = {"made_by": f"experiments/benchmarks/{pathlib.Path(sys.argv[0]).name}",
              "date": datetime.date.today().isoformat(), "on": on, "columns": columns, "rows": rows, **more}
    path = ROOT / "experiments/results" / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.relative_to(ROOT))
    for row in rows:
        print("  " + ", ".join(f"{column} {value:.3g}" if isinstance(value, float) else f"{column} {value}"
                               for column, value in zip(columns, row)))
