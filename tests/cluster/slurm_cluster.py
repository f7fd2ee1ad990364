"""A Slurm of the tests' own (the script `slurm` beside this file), and jobs of launchers/slurm/train.sbatch in it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from program import BINARY, ENVIRONMENT, REPOSITORY, alive, steps  # noqa: E402

TOOL = Path(__file__).with_name("slurm")
TRAIN = REPOSITORY / "launchers/slurm/train.sbatch"
PATIENCE = 180  # seconds for what takes a few on an idle machine


def why_not():
    """What this machine lacks for a Slurm of its own, or None."""
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch", "ip", "nsenter") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} missing: install slurmctld slurmd slurm-client munge iproute2"
    namespaces = ["unshare", "--pid", "--fork", "--mount-proc", "--net", "--uts", "--ipc"]
    if subprocess.run([*namespaces, "ip", "link", "add", "type", "veth"], capture_output=True).returncode:
        return "no namespaces here (unshare), which a Slurm of its own lives in"
    return None


def wait_for(condition, what, seconds=PATIENCE, every=0.1):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what() if callable(what) else what}: not within {seconds} s"
        time.sleep(every)


class Slurm:
    """`nodes` nodes of 2 CPUs, up as long as this process lives or until stop()."""

    def __init__(self, nodes):
        self.state = Path(tempfile.mkdtemp(prefix="convoy-slurm-", dir="/tmp"))  # short: sockets lie below it
        self.environment = {**ENVIRONMENT, "CONVOY_SLURM": str(self.state), "CONVOY": str(BINARY)}
        self.holder = subprocess.Popen([TOOL, "hold", str(nodes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, env=self.environment,
                                       start_new_session=True)
        said = []
        for line in self.holder.stdout:
            said.append(line)
            if line == "ready\n":
                return
        self.stop()
        raise AssertionError("the cluster did not start: " + "".join(said))

    def stop(self):
        self.holder.stdin.close()
        self.holder.wait()

    def processes(self, *variables):
        """All that belong to this cluster and have these NAME=VALUE in their environment."""
        wanted = {text.encode() for text in (f"SLURM_CONF={self.state}/slurm.conf", *variables)}
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                    found += [int(entry.name)] if alive(entry.name) else []
            except OSError:
                continue
        return found

    def run(self, *words, environment=None, timeout=PATIENCE):
        return subprocess.run([TOOL, "run", *map(str, words)], capture_output=True, text=True, timeout=timeout,
                              cwd=REPOSITORY, env={**self.environment, **(environment or {})}, stdin=subprocess.DEVNULL)

    def crash(self, node):
        subprocess.run([TOOL, "crash", node], check=True, env=self.environment)

    def boot(self, node):
        subprocess.run([TOOL, "boot", node], check=True, env=self.environment)

    def node_state(self, node):
        return re.search(r"State=(\S+)", self.run("scontrol", "show", "node", node).stdout).group(1)

    def submit(self, log, *arguments, sbatch=(), environment=None):
        """train.sbatch with these arguments, two tasks on each of two nodes unless `sbatch` has other options."""
        shape = list(sbatch) or ["--nodes=2", "--ntasks-per-node=2"]
        if not any(option.startswith("--time") for option in shape):
            shape.append("--time=20")
        done = self.run("sbatch", "--parsable", f"--output={log}", *shape, TRAIN, *arguments, environment=environment)
        assert done.returncode == 0, done.stderr
        return Job(self, done.stdout.strip(), log)


class Job:
    def __init__(self, slurm, number, log):
        self.slurm, self.number, self.log = slurm, number, Path(log)

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def about(self):
        told = f"job {self.number}\n{self.output()}\n{self.slurm.run('scontrol', 'show', 'job', self.number).stdout}"
        ctld = self.slurm.state / "log/slurmctld"
        return told + "".join(ctld.read_text(errors="replace").splitlines(keepends=True)[-30:])

    def field(self, name):
        return re.search(rf"\b{name}=(\S+)", self.slurm.run("scontrol", "show", "job", self.number).stdout).group(1)

    def state(self):
        return self.field("JobState")

    def until(self, *states, seconds=PATIENCE):
        wait_for(lambda: self.state() in states, lambda: f"{states}\n{self.about()}", seconds, every=0.3)
        return self

    def until_requeued(self, restarts=1):
        """Waits for it, and keeps the job from starting by itself before start_now()."""
        wait_for(lambda: self.field("Restarts") == str(restarts) and self.state() == "PENDING",
                 lambda: f"requeued\n{self.about()}", every=0.3)
        self.slurm.run("scontrol", "hold", self.number)

    def start_now(self, restarts=1):
        """Slurm holds a requeued job for two minutes. This may be cut short, but not at once: a node refuses a start that
        was granted in the second of the last end, and then the job is lost."""
        time.sleep(7)
        self.slurm.run("scontrol", "release", self.number)

        def started():
            self.slurm.run("scontrol", "update", f"JobId={self.number}", "StartTime=now")
            return f"attempt {restarts + 1}, on" in self.output()
        wait_for(started, lambda: f"a new start\n{self.about()}", every=2)

    def until_step(self, run, step):
        wait_for(lambda: len(steps(run)) >= step, lambda: f"step {step}\n{self.about()}")

    def end(self):
        """Its exit code, after its end."""
        self.until("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return int(self.field("ExitCode").split(":")[0])

    def workers(self):
        """The processes of this job that run the program."""
        own = self.slurm.processes(f"SLURM_JOB_ID={self.number}")
        return [pid for pid in own if Path(f"/proc/{pid}/exe").resolve() == BINARY.resolve()]

    def pause(self):
        """Stops all workers, so that time passes without work; returns their processes."""
        pids = self.workers()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids
