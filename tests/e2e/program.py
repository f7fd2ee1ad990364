"""Runs the `convoy` program as a user does: alone, or as several workers under mpirun."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CONVOY_BINARY", REPOSITORY / "build/release/convoy"))

ENVIRONMENT = {
    **os.environ,
    "XDG_CACHE_HOME": str(BINARY.parent / "test-cache"),  # measured choices of algorithms are the tests' own
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",  # more workers than cores must not spin
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}

# Exit codes, README.md "Exit codes".
OK, USAGE, DATA, DIVERGED, PEER_LOST, STORAGE, PREEMPTED = 0, 2, 3, 5, 6, 7, 75


def command(arguments, workers, within=(), binary=BINARY):
    """`within`: a command that each worker is started by."""
    alone = [*within, str(binary), *map(str, arguments)]
    if workers == 1:
        return alone
    return ["mpirun", "-np", str(workers), "--oversubscribe", "--bind-to", "none", *alone]


def convoy(*arguments, workers=1, timeout=240, environment=None, within=(), binary=BINARY):
    """Runs to the end; standard input is empty, as in a batch job."""
    return subprocess.run(command(arguments, workers, within, binary), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env={**ENVIRONMENT, **(environment or {})})


def succeed(*arguments, **options):
    done = convoy(*arguments, **options)
    assert done.returncode == OK, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def answer(*arguments, **options):
    """The one line of JSON that --json puts on standard output."""
    done = succeed(*arguments, "--json", **options)
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return json.loads(lines[0])


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def take_ctrl_c():
    """In a child before it starts: a shell's background jobs ignore SIGINT, and hand that on to what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Running:
    """A run under way. Leaving the `with` block ends whatever is left of it."""

    def __init__(self, *arguments, workers, log, launch=command, environment=None):
        self.log = log
        with log.open("w") as out:
            self.launcher = subprocess.Popen(launch(arguments, workers), stdin=subprocess.DEVNULL, stdout=out,
                                             stderr=out, env=environment or ENVIRONMENT, start_new_session=True,
                                             preexec_fn=take_ctrl_c)
        self.pids = {}  # by rank
        self.workers = workers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()
        if self.launcher.poll() is None:
            self.launcher.kill()
        self.launcher.wait()

    def kill_all(self):
        """kill -9 for all workers."""
        for pid in self.pids.values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what} not within {seconds} s\n{self.output()}"
            time.sleep(0.02)

    def find_workers(self):
        """Fills pids: the processes of this session that run the program, by their rank."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or not alive(entry.name):
                continue
            try:
                if os.getsid(int(entry.name)) != self.launcher.pid and not self._launched(entry):
                    continue
                if entry.joinpath("exe").resolve() != BINARY.resolve():
                    continue
                environment = entry.joinpath("environ").read_bytes().split(b"\0")
            except (OSError, ProcessLookupError):
                continue
            ranks = [int(e.split(b"=")[1]) for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")]
            found[ranks[0] if ranks and self.workers > 1 else 0] = int(entry.name)
        self.pids = found
        return len(found) == self.workers

    def _launched(self, entry):
        """mpirun puts workers in sessions or groups of their own; their parent is still mpirun."""
        return int(entry.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1]) == self.launcher.pid

    def until_step(self, run, step):
        """Waits until all workers are there and `step` was logged."""
        def there():
            assert self.launcher.poll() is None, f"ended by itself\n{self.output()}"
            return self.find_workers() and len(steps(run)) >= step
        self.wait_for(there, 60, f"step {step}")

    def until_gone(self, seconds):
        """Waits until the launcher and all workers have ended; returns the exit code."""
        self.wait_for(lambda: self.launcher.poll() is not None and not any(map(alive, self.pids.values())), seconds,
                      "the end of all workers")
        return self.launcher.returncode


def rows(run, kind):
    path = Path(run) / "metrics.jsonl"
    if not path.exists():
        return []
    whole = path.read_text().rsplit("\n", 1)[0]  # the last line may be half written while the run goes on
    return [row for row in map(json.loads, whole.splitlines()) if row["kind"] == kind]


def steps(run):
    return rows(run, "step")


def losses(run):
    return [row["loss"] for row in steps(run)]


def checkpoints(run):
    return sorted((Path(run) / "checkpoints").glob("step-*.h5"))


def parameters(checkpoint):
    """{name: array} of everything below /params."""
    import h5py
    import numpy

    found = {}
    with h5py.File(checkpoint, "r") as file:
        file["params"].visititems(
            lambda name, item: found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
    assert found and all(isinstance(value, numpy.ndarray) for value in found.values())
    return found


def exchange_of(run):
    """What the run says of its exchange, "shared memory, buckets of 4.0 MiB": of the last start, if it was resumed."""
    said = [line.split("exchange: ", 1)[1] for line in (Path(run) / "train.log").read_text().splitlines()
            if "exchange: " in line and "buckets of " in line]
    return said[-1]


def same_bits(one, other):
    """Names of the parameters whose bits differ between two checkpoints."""
    a, b = parameters(one), parameters(other)
    assert a.keys() == b.keys()
    return [name for name in a if a[name].tobytes() != b[name].tobytes()]
