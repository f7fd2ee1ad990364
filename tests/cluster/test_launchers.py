"""launchers/local and launchers/mpirun/run: what they would do, what they do, and what they refuse."""

import os
import shlex
import signal
import stat
import subprocess

import pytest

from cluster import BARE, LAUNCHERS, ClusterRun, is_worker, local, rank_of
from program import OK, PREEMPTED, USAGE, Running, alive, checkpoints, losses

FOREVER = 10_000_000


def call(*command, environment=None, timeout=120):
    return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env={**BARE, **(environment or {})})


def launch(*words, **options):
    return call(LAUNCHERS / "local", *words, **options)


def mpirun(*words, **options):
    return call(LAUNCHERS / "mpirun/run", *words, **options)


def shell(script):
    """Runs lines of shell that know launchers/launch.sh."""
    done = call("bash", "-euc", f"launcher=test; source {shlex.quote(str(LAUNCHERS / 'launch.sh'))}\n{script}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class LocalRun(Running):
    """A run of launchers/local under way."""

    def __init__(self, *arguments, workers, log, options=(), environment=None):
        super().__init__(*arguments, workers=workers, log=log, environment={**BARE, **(environment or {})},
                         launch=lambda words, count: local(words, count, *options))

    def find_workers(self):
        mine = str(self.launcher.pid)
        self.pids = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and is_worker(entry) and mine in self.ancestors(entry):
                rank = rank_of(entry)
                if rank is not None:
                    self.pids[rank] = int(entry)
        return len(self.pids) == self.workers

    @staticmethod
    def ancestors(pid):
        while pid not in ("0", "1"):
            yield pid
            try:
                with open(f"/proc/{pid}/stat") as file:
                    pid = file.read().rsplit(")", 1)[1].split()[1]
            except OSError:
                return


# ---- cores and GPUs ----

# CPU, core and NUMA node of a machine of two sockets, four cores each, two threads a core.
TWO_SOCKETS = "".join(f"{cpu},{cpu % 8},{cpu % 8 // 4}\\n" for cpu in range(16))


@pytest.mark.parametrize("allowed, workers, expected", [
    ("0-15", 1, ["0-15"]),
    ("0-15", 2, ["0-3,8-11", "4-7,12-15"]),
    ("0-15", 3, ["0-1,8-9", "2-3,10-11", "5-6,13-14"]),
    ("0-15", 8, [f"{core},{core + 8}" for core in range(8)]),
    ("0-15", 16, ["0", "8", "1", "9", "2", "10", "3", "11", "4", "12", "5", "13", "6", "14", "7", "15"]),
    ("2-5", 2, ["2-3", "4-5"]),
    ("3,12", 2, ["3", "12"]),
    ("3,12", 3, ["3,12", "3,12", "3,12", "shared"]),
])
def test_cores_are_shared_out(allowed, workers, expected):
    said = shell(f"allowed_cpus() {{ echo {allowed}; }}\nlscpu() {{ printf '{TWO_SOCKETS}'; }}\nshare_cores {workers}\n"
                 'printf "%s\\n" "${cpus_of[@]}"; [ $shared = no ] || echo shared')
    assert said == expected


@pytest.mark.parametrize("environment, expected", [
    ("", ["0", "1", "0"]),
    ("CUDA_VISIBLE_DEVICES=5,7,3", ["5", "7", "3"]),
    ("CUDA_VISIBLE_DEVICES=GPU-8f", ["GPU-8f"] * 3),
    ("CUDA_VISIBLE_DEVICES=-1", ["none"] * 3),
    ("CUDA_VISIBLE_DEVICES=", ["none"] * 3),
])
def test_gpus_are_shared_out(environment, expected):
    said = shell(f"nvidia-smi() {{ printf '0\\n1\\n'; }}\nunset CUDA_VISIBLE_DEVICES\n{environment and 'export ' + environment}\n"
                 'share_gpus 3\nfor gpu in "${gpu_of[@]}"; do echo "${gpu:-none}"; done')
    assert said == expected


def test_a_dry_run_shows_the_mapping_and_the_command():
    cpu = sorted(os.sched_getaffinity(0))[-1]
    done = call("taskset", "-c", cpu, LAUNCHERS / "local", "-n", 2, "--ranks-per-node", 1, "--dry-run", "--", "train",
                "a recipe.cfg", environment={"CUDA_VISIBLE_DEVICES": "4,6"})
    assert done.returncode == OK
    lines = done.stdout.splitlines()
    assert lines[:2] == [f"worker 0: core {cpu}, GPU 4", f"worker 1: core {cpu}, GPU 6"]
    assert "2 workers share one core" in lines[2]
    words = shlex.split(lines[3])
    assert words[words.index("mpirun"):][:4] == ["mpirun", "--quiet", "-n", "2"]
    assert words[-4:] == ["train", "a recipe.cfg", "--ranks-per-node", "1"]


def test_workers_are_bound_and_log_to_files(tiny_train, tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core for two workers")
    logs = tmp_path / "logs"
    with LocalRun(*tiny_train("run", steps=FOREVER), workers=2, log=tmp_path / "log",
                  options=["--log-dir", logs]) as run:
        run.until_step(tmp_path / "run", 5)
        cpus = [os.sched_getaffinity(pid) for _, pid in sorted(run.pids.items())]
        os.kill(run.launcher.pid, signal.SIGTERM)
        assert run.until_gone(60) == PREEMPTED
    assert cpus[0] and cpus[1] and not cpus[0] & cpus[1]
    assert "worker 1: core" in run.output()
    assert "stopped after step" in run.output()
    assert "stopped after step" in (logs / "worker-0.log").read_text()
    assert (logs / "worker-1.log").exists()


# ---- signals ----

@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_saves(tiny_train, tmp_path, name):
    with LocalRun(*tiny_train("run", steps=FOREVER), workers=2, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 10)
        # A terminal sends Ctrl-C to the launcher and all that it has started in the foreground.
        os.killpg(run.launcher.pid, getattr(signal, name))
        assert run.until_gone(60) == PREEMPTED
    saved = int(checkpoints(tmp_path / "run")[-1].stem.split("-")[1])
    assert saved == len(losses(tmp_path / "run"))


def test_a_second_ctrl_c_ends_at_once(tiny_train, tmp_path):
    with LocalRun(*tiny_train("run", steps=FOREVER), workers=2, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 10)
        os.kill(run.pids[1], signal.SIGSTOP)  # so that it cannot save
        run.launcher.send_signal(signal.SIGINT)
        run.wait_for(lambda: "stopping after this step" in run.output(), 30, "the answer to the first one")
        run.launcher.send_signal(signal.SIGINT)
        assert run.until_gone(30) == 128 + signal.SIGINT


def test_workers_of_a_killed_launcher_save(tiny_train, tmp_path):
    with LocalRun(*tiny_train("run", steps=FOREVER), workers=2, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 10)
        run.launcher.kill()
        run.wait_for(lambda: not any(map(alive, run.pids.values())), 60, "the end of the workers")
    assert "stopped after step" in run.output()


def test_a_signal_saves_over_hosts(cluster, tiny_train, tmp_path):
    with ClusterRun(cluster(2), (2, 2), tmp_path, tiny_train("run", steps=FOREVER)) as run:
        run.until_step(tmp_path / "run", 10)
        os.killpg(run.launcher.pid, signal.SIGTERM)
        assert run.until_gone(60) == PREEMPTED
        assert "stopped after step" in run.output()
        for rank, node in enumerate(["node0", "node0", "node1", "node1"]):
            assert f"{node}: worker {rank}: core" in run.output()


def test_the_exit_code_of_the_program_comes_through(tiny_train):
    assert launch("-n", 2, "--", *tiny_train("run", net="nowhere.net")).returncode == USAGE


# ---- the debugger ----

def test_a_debugger_holds_one_worker(tiny_train, tmp_path):
    """The debugger here just writes down what it was given; the worker has not become the program yet."""
    fake = tmp_path / "debugger"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\nreadlink /proc/$2/exe >{tmp_path}/exe\n'
                    f'tr "\\0" "\\n" </proc/$2/environ | grep OMPI_COMM_WORLD_RANK >{tmp_path}/rank\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    done = launch("-n", 2, "--debug", 1, "--", *tiny_train("run"), environment={"CONVOY_DEBUGGER": str(fake)})
    assert done.returncode == OK, done.stderr
    words = (tmp_path / "words").read_text().splitlines()
    assert words[0] == "-p" and words[-1] == "continue"
    assert (tmp_path / "exe").read_text().strip().endswith("bash")
    assert (tmp_path / "rank").read_text().strip() == "OMPI_COMM_WORLD_RANK=1"
    assert len(losses(tmp_path / "run")) == 60


# ---- over a host file ----

@pytest.fixture
def hostfile(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("# two\nalpha slots=2\n\nbeta slots=3 max_slots=4")
    return file


def as_root(*words):
    return ["--as-root", *words] if os.geteuid() == 0 else list(words)


def test_a_dry_run_over_hosts(hostfile):
    (hostfile.parent / "reach").symlink_to("/bin/true")
    done = mpirun(*as_root("--hostfile", hostfile, "--agent", "reach -x 1", "--interface", "ib0", "--network", "tcp",
                           "--log-dir", "logs", "--env", "SECRET", "--dry-run", "--", "train", "--seed", 1),
                  environment={"PATH": f"{hostfile.parent}:{os.environ['PATH']}", "NCCL_DEBUG": "INFO"})
    assert done.returncode == OK, done.stderr
    words = shlex.split(done.stdout)
    text = " ".join(words)
    for expected in ("-n 5 ", "plm_rsh_agent reach --mca plm_rsh_args -x 1 ", "btl_tcp_if_include ib0", "-x SECRET ",
                     "oob_tcp_if_include ib0", "oob_tcp_keepalive_time 5 ", "pml ob1", "NCCL_SOCKET_IFNAME=ib0",
                     "-x NCCL_SOCKET_IFNAME ", "-x NCCL_DEBUG ", f"CONVOY_LOG_DIR={os.getcwd()}/logs"):
        assert expected in text, expected
    assert words[-3:] == ["train", "--seed", "1"]


BAD_LOCAL = [
    (["--", "train"], "-n N is missing"),
    (["-n"], "-n needs a value"),
    (["-n", "0", "--", "train"], "-n 0 is not a positive number"),
    (["-n", "two", "--", "train"], "-n two is not a positive number"),
    (["-n", "2"], "what to run is missing"),
    (["-n", "2", "train"], "the program's words come after a --"),
    (["-n", "2", "--frobnicate", "--", "train"], "unknown argument --frobnicate"),
    (["-n", "2", "--debug", "2", "--", "train"], "--debug 2 is not one of the workers 0 to 1"),
    (["-n", "2", "--ranks-per-node", "x", "--", "train"], "--ranks-per-node x is not a positive number"),
]


@pytest.mark.parametrize("words, message", BAD_LOCAL, ids=lambda x: x if isinstance(x, str) else "")
def test_local_refuses(words, message):
    done = launch(*words)
    assert done.returncode == USAGE
    assert done.stderr.startswith("launchers/local: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_a_missing_program_is_said():
    done = launch("-n", 2, "--", "train", environment={"CONVOY_BINARY": "/nowhere/convoy"})
    assert done.returncode == USAGE
    assert "there is no program /nowhere/convoy; build it" in done.stderr


@pytest.mark.parametrize("content, words, message", [
    (None, ["--", "train"], "--hostfile FILE is missing"),
    (None, ["--hostfile", "/nowhere/hosts", "--", "train"], "/nowhere/hosts: the host file cannot be read"),
    ("", ["--hostfile", "F", "--", "train"], "no hosts in it"),
    ("alpha\n", ["--hostfile", "F", "--", "train"], ":1: 'alpha' does not say how many workers run there"),
    ("alpha slots=2\n", ["--hostfile", "F", "-n", "3", "--", "train"], "-n 3 is more than the 2 slots"),
    ("alpha slots=2\n", ["--hostfile", "F", "--network", "tin", "--", "train"], "--network tin is not one of"),
    ("alpha slots=2\n", ["--hostfile", "F"], "what to run is missing"),
    ("alpha slots=2\n", ["--hostfile", "F", "--agent", "nothing-like-ssh", "--", "train"], "no nothing-like-ssh"),
])
def test_mpirun_refuses(tmp_path, content, words, message):
    if content is not None:
        (tmp_path / "hosts").write_text(content)
    done = mpirun(*as_root(*(tmp_path / "hosts" if word == "F" else word for word in words)))
    assert done.returncode == USAGE
    assert done.stderr.startswith("launchers/mpirun/run: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_root_has_to_ask(hostfile):
    if os.geteuid() != 0:
        pytest.skip("not root")
    done = mpirun("--hostfile", hostfile, "--agent", "true", "--dry-run", "--", "train")
    assert done.returncode == USAGE
    assert "say --as-root" in done.stderr
