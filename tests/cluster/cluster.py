"""Separate hosts on this machine (tests/cluster/hosts), and runs over them by launchers/mpirun/run."""

import os
import subprocess
import time
from pathlib import Path

from program import ENVIRONMENT, REPOSITORY, Running

HOSTS = REPOSITORY / "tests/cluster/hosts"
LAUNCHERS = REPOSITORY / "launchers"

# As somebody has it who has set nothing for Open MPI.
BARE = {key: value for key, value in ENVIRONMENT.items() if not key.startswith("OMPI_")}


def local(arguments, workers, *options):
    return [LAUNCHERS / "local", "-n", str(workers), *options, "--", *map(str, arguments)]


def environment_of(pid):
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)


def rank_of(pid):
    """None while the process is only becoming the program, and has no environment yet."""
    rank = environment_of(pid).get("OMPI_COMM_WORLD_RANK")
    return None if rank is None else int(rank)


def is_worker(pid):
    """Runs the program itself: not the script that starts it, nor what that pipes into."""
    try:
        return os.readlink(f"/proc/{pid}/exe").rsplit("/", 1)[1] == "convoy"
    except OSError:
        return False


class Cluster:
    def __init__(self, count):
        self.nodes = [f"node{i}" for i in range(count)]
        self.number = self._hosts("up", count, "--owner", os.getpid()).strip()

    def _hosts(self, *words):
        done = subprocess.run([HOSTS, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, f"hosts {words}: {done.stderr}"
        return done.stdout

    def down(self):
        self._hosts("down", self.number)

    def tell(self, command, node):
        """cut, heal or crash."""
        self._hosts(command, self.number, node)

    def bytes_sent(self, node):
        return int(self._hosts("bytes", self.number, node))

    def pids(self, node):
        return [int(pid) for pid in self._hosts("pids", self.number, node).split()]

    def processes(self, within=5):
        """What runs on the hosts after so many seconds, a line each; at once where nothing does."""
        end = time.monotonic() + within
        while True:
            found = [f"{node}: {pid} {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode()[:200]}"
                     for node in self.nodes for pid in self.pids(node) if Path(f"/proc/{pid}/exe").exists()]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def workers(self):
        """{rank: pid} of all hosts."""
        found = {rank_of(pid): pid for node in self.nodes for pid in self.pids(node) if is_worker(pid)}
        return {rank: pid for rank, pid in found.items() if rank is not None}

    def launch(self, slots, folder, *options):
        """How launchers/mpirun/run is called on node0 for slots[i] workers on node i: for Running's `launch`."""
        hostfile = folder / "hostfile"
        hostfile.write_text("".join(f"{node} slots={count}\n" for node, count in zip(self.nodes, slots)))

        def command(arguments, workers):
            assert workers == sum(slots)
            return [HOSTS, "exec", self.number, "node0", LAUNCHERS / "mpirun/run", "--as-root", "--hostfile", hostfile,
                    "--agent", f"{HOSTS} agent {self.number}", *options, "--", *map(str, arguments)]

        return command


class ClusterRun(Running):
    """A run under way over hosts. The hosts think that each has this machine's cores for itself, so workers yield."""

    def __init__(self, cluster, slots, folder, arguments, *options):
        self.cluster = cluster
        super().__init__(*arguments, workers=sum(slots), log=folder / "log",
                         launch=cluster.launch(slots, folder, *options),
                         environment={**BARE, "OMPI_MCA_mpi_yield_when_idle": "1"})

    def find_workers(self):
        self.pids = self.cluster.workers()
        return len(self.pids) == self.workers


def run_over_hosts(cluster, slots, folder, arguments, *options):
    """To the end, which has to be a good one; returns what it said."""
    with ClusterRun(cluster, slots, folder, arguments, *options) as run:
        code = run.until_gone(120)
        assert code == 0, f"exit code {code}\n{run.output()}"
        return run.output()
