"""What the checks of tests/gpu/run share: programs under a time limit, made-up datasets, training runs and their losses."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import machine
import made_up


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


# Open MPI as root is refused without the first two; workers that share cores must not spin while they wait.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
       "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def last_words(text, lines=3):
    return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:])[:600]


class Tools:
    """Of one call of tests/gpu/run. `begin` starts a check: its folder is empty, its clock runs."""

    def __init__(self, root, build, folder, rehearse=None):
        self.root, self.build, self.folder = root, build, folder
        self.backend = rehearse or "cuda"
        self.small = rehearse is not None
        self.deadline = time.monotonic() + 120
        # A bundle's programs find CUDA themselves; those of a build folder may not.
        paths = [os.environ.get("LD_LIBRARY_PATH", ""), *machine.library_folders(root)]
        self.environment = {**os.environ, **MPI, "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
                            "XDG_CACHE_HOME": str(folder / "cache")}
        bundled = build / "mpirun"
        self.mpirun = str(bundled) if bundled.exists() else shutil.which("mpirun")

    def begin(self, name, seconds):
        self.deadline = time.monotonic() + seconds
        self.limit = seconds
        self.runs = self.folder / "".join(c if c.isalnum() else "-" for c in name)
        shutil.rmtree(self.runs, ignore_errors=True)
        self.runs.mkdir()

    def left(self):
        return self.deadline - time.monotonic()

    def program(self, name):
        path = self.build / name
        if not path.exists():
            raise Skipped(f"there is no {path}")
        return path

    def start(self, command, **more):
        """A process in a session of its own, so that all that it starts can be ended with it."""
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, cwd=self.root, env=self.environment,
                                start_new_session=True, **more)

    @staticmethod
    def end(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def run(self, command, codes=(0,)):
        """What it printed; a failed check where it ends with another code or not in time."""
        process = self.start(command)
        shown = " ".join(map(str, command[:4]))
        try:
            output, _ = process.communicate(timeout=max(1, self.left()))
        except subprocess.TimeoutExpired:
            self.end(process)
            raise Failed(f"{shown} ... was not done when the check's {self.limit:.0f} s were over")
        if process.returncode not in codes:
            raise Failed(f"{shown} ... exited with {process.returncode}: {last_words(output)}")
        return output

    def convoy(self, *arguments, workers=1):
        command = [self.build / "convoy", *arguments]
        if workers > 1:
            if not self.mpirun:
                raise Skipped("there is no mpirun")
            command = [self.mpirun, "-np", workers, "--bind-to", "none", *command]
        return self.run(command)

    def has_option(self, command, option):
        return option in self.convoy(*command, "--help")

    # ---- datasets ----

    def dataset(self, kind):
        """The folder of a made-up dataset, made when it is first asked for: grey, noisy, colour or large."""
        folder = self.folder / "data" / kind
        if not folder.exists():
            files = self.folder / "files" / kind
            few = self.small
            more = []
            if kind == "grey":
                source = made_up.write_idx(files, 320 if few else 1280, seed=1)
            elif kind == "noisy":
                source = made_up.write_idx(files, 640 if few else 6400, seed=2, wrong=0.2)
            elif kind == "colour":
                source = made_up.write_cifar(files, 160 if few else 1280, seed=3)
            else:
                source, more = made_up.write_cifar(files, 32 if few else 320, seed=4), ["--size", "256"]
            self.convoy("import", *source, "--out", folder, *more)
        return folder

    # ---- training ----

    def run_folder(self, name):
        """All names are equally long: checkpoints hold them, and are compared."""
        return self.runs / f"{name:-<16}"

    def arguments(self, name, *recipe, **keys):
        """Of a training run in the check's folder; keys as of `convoy train`, with _ for -."""
        usual = {"run": self.run_folder(name), "backend": self.backend, "precision": "fp32", "log-every": 1, "seed": 3}
        usual.update({key.replace("_", "-"): value for key, value in keys.items()})
        return ["train", *recipe, *(word for key, value in usual.items() for word in (f"--{key}", value))]

    def train(self, name, *recipe, workers=1, resume=False, **keys):
        """Trains and returns the losses of its steps."""
        words = self.arguments(name, *recipe, **keys)
        self.convoy(*words, *(["--resume"] if resume else []), workers=workers)
        return self.losses(name)

    def rows(self, name, kind):
        path = self.run_folder(name) / "metrics.jsonl"
        if not path.exists():
            return []
        whole = path.read_text().rsplit("\n", 1)[0]  # the last line may be half written
        return [row for row in map(json.loads, whole.splitlines()) if row["kind"] == kind]

    def losses(self, name):
        return [row["loss"] for row in self.rows(name, "step")]

    def checkpoint(self, name):
        return sorted((self.run_folder(name) / "checkpoints").glob("step-*.h5"))[-1]


def compare(one, other, within):
    """The largest relative difference of two lists of losses; a failed check where it is larger than `within`."""
    if not one or len(one) != len(other):
        raise Failed(f"{len(one)} losses were logged, and {len(other)} of the other run")
    differences = [abs(a - b) / max(abs(b), 1e-30) if a == a and b == b else float("inf") for a, b in zip(one, other)]
    largest = max(differences)
    if largest > within:
        first = next(i for i, difference in enumerate(differences) if difference > within)
        raise Failed(f"losses differ by {largest:.2g}, allowed are {within:g}; first in step {first + 1}: "
                     f"{one[first]:.9g} and {other[first]:.9g}")
    return largest


def same_bits(tools, one, other, files=True):
    """That two runs gave the same losses, to the last digit, and the same parameters. A run's evaluation after its last step
    sees all parameters; with `files` their checkpoints are the same too, up to the run folder's name that they hold."""
    for kind in ("step", "eval"):
        compare(*([row["loss"] for row in tools.rows(name, kind)] for name in (one, other)), 0)
    if files:
        # The first 64 bytes tell a checksum over the rest.
        a, b = (tools.checkpoint(name).read_bytes()[64:].replace(bytes(tools.run_folder(name)), b"RUN") for name in (one, other))
        if a != b:
            raise Failed(f"the checkpoints of {one} and {other} differ, though the losses are the same")
