"""Runs over separate hosts, whole ones and such that lose a worker, a link or a host on the way."""

import json
import os
import signal
import time

import pytest

from cluster import ClusterRun, run_over_hosts
from program import OK, PEER_LOST, checkpoints, losses, same_bits, succeed
from tiny_data import arguments_of

FOREVER = 10_000_000
TINY_BYTES = 940 * 4  # the gradients of the tiny network

# With `timeout` 3: 3 s of silence, 2 s for MPI_Abort, then --grace 5 for mpirun and its daemons. With 60 it is Open MPI
# that notices, after 11 s. The rest is for a loaded machine.
DEADLINE = 40


def failure(run):
    return json.loads((run / "failure.json").read_text())


@pytest.fixture(scope="module")
def on_one_host(tiny, tmp_path_factory):
    """A function: the run folder of the same training with four workers on one host."""
    made = {}

    def train(**keys):
        name = "-".join(f"{key}-{value}" for key, value in keys.items()) or "plain"
        if name not in made:
            folder = tmp_path_factory.mktemp("one-host")
            succeed(*arguments_of(tiny, folder / name, **keys), workers=4)
            made[name] = folder / name
        return made[name]

    return train


@pytest.mark.parametrize("slots", [(2, 2), (1, 1, 1, 1)])
def test_the_bits_are_those_of_one_host(cluster, on_one_host, tiny_train, tmp_path, slots):
    hosts = cluster(len(slots))
    before = {node: hosts.bytes_sent(node) for node in hosts.nodes}
    said = run_over_hosts(hosts, slots, tmp_path, tiny_train("run", exact="on"))
    assert f"4 workers on {len(slots)} nodes" in said
    for node in hosts.nodes:
        # Half of the gradients is what a host of two has to send to another one at the very least, in each of 60 steps.
        assert hosts.bytes_sent(node) - before[node] > 60 * TINY_BYTES / len(slots)
    reference = on_one_host(exact="on")
    assert losses(tmp_path / "run") == losses(reference)
    assert same_bits(checkpoints(tmp_path / "run")[-1], checkpoints(reference)[-1]) == []


@pytest.mark.parametrize("slots", [(2, 2), (3, 1)])
def test_without_exact_only_the_order_of_sums_differs(cluster, on_one_host, tiny_train, tmp_path, slots):
    said = run_over_hosts(cluster(2), slots, tmp_path, tiny_train("run", steps=20))
    assert "4 workers on 2 nodes" in said
    reference = on_one_host(steps=20)
    # What the hosts add up among themselves may be added in another order than on one host; tests/e2e/test_bits.py.
    assert losses(tmp_path / "run") == pytest.approx(losses(reference), rel=1e-5, abs=0)


def lose(cluster, tiny_train, tmp_path, strike, timeout=3):
    """Four workers on two hosts; strike(hosts, run) in mid-run. All has to end; then the run goes on."""
    hosts = cluster(2)
    with ClusterRun(hosts, (2, 2), tmp_path, tiny_train("run", steps=FOREVER, timeout=timeout), "--grace", "5") as run:
        run.until_step(tmp_path / "run", 20)
        strike(hosts, run)
        code = run.until_gone(DEADLINE)
    assert hosts.processes(within=DEADLINE) == []
    found = failure(tmp_path / "run")
    assert found["exit_code"] == PEER_LOST
    assert found["step"] >= 19
    for node in hosts.nodes:
        hosts.tell("heal", node)
    last = int(checkpoints(tmp_path / "run")[-1].stem.split("-")[1]) + 10
    run_over_hosts(hosts, (2, 2), tmp_path, [*tiny_train("run", steps=last), "--resume"])
    assert len(losses(tmp_path / "run")) == last
    return code, found


def test_a_killed_worker(cluster, tiny_train, tmp_path):
    code, found = lose(cluster, tiny_train, tmp_path, lambda hosts, run: os.kill(run.pids[3], signal.SIGKILL))
    assert code == PEER_LOST
    assert (found["rank"], found["host"]) == (3, "node1")


def test_a_stopped_worker(cluster, tiny_train, tmp_path):
    code, found = lose(cluster, tiny_train, tmp_path, lambda hosts, run: os.kill(run.pids[2], signal.SIGSTOP))
    assert code == PEER_LOST
    assert (found["rank"], found["host"]) == (2, "node1")


@pytest.mark.parametrize("timeout", [3, 60])
def test_a_cut_link(cluster, tiny_train, tmp_path, timeout):
    code, found = lose(cluster, tiny_train, tmp_path, lambda hosts, run: hosts.tell("cut", "node1"), timeout)
    assert code == PEER_LOST
    assert found["rank"] in (2, 3)
    assert found["host"] == "node1"


def test_a_host_gone(cluster, tiny_train, tmp_path):
    code, found = lose(cluster, tiny_train, tmp_path, lambda hosts, run: hosts.tell("crash", "node1"))
    assert code == PEER_LOST
    assert found["rank"] in (2, 3)
    assert found["host"] == "node1"


def test_the_host_of_the_launcher_gone(cluster, tiny_train, tmp_path):
    code, found = lose(cluster, tiny_train, tmp_path, lambda hosts, run: hosts.tell("crash", "node0"))
    assert code != OK
    assert (found["rank"], found["host"]) == (0, "node0")


def test_a_hiccup_is_survived(cluster, on_one_host, tiny_train, tmp_path):
    hosts = cluster(2)
    with ClusterRun(hosts, (2, 2), tmp_path, tiny_train("run", steps=3000, exact="on", checkpoint_every=1000)) as run:
        run.until_step(tmp_path / "run", 20)
        hosts.tell("cut", "node1")
        time.sleep(5)
        assert run.launcher.poll() is None
        hosts.tell("heal", "node1")
        assert run.until_gone(120) == OK, run.output()
    assert losses(tmp_path / "run") == losses(on_one_host(steps=3000, exact="on", checkpoint_every=1000))
