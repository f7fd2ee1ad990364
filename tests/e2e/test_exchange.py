"""The exchange between workers in all its kinds: over shared memory and messages, on nodes drawn on this machine."""

import json
import os
import shutil
import signal
import subprocess

import h5py
import pytest

from program import (OK, PEER_LOST, USAGE, Running, checkpoints, convoy, exchange_of, losses, same_bits, steps,
                     succeed)

# 1.1 MiB of gradients: enough that the size of buckets is measured.
WIDE_NET = """input 12x12x1
fc K=2000
relu
fc K=4
loss softmax
"""
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A function that trains on the made-up dataset, each set of keys once, and returns the run folder."""
    folder = tmp_path_factory.mktemp("exchange")
    (folder / "wide.net").write_text(WIDE_NET)
    done = {}

    def train(workers, again=0, **keys):
        usual = {"net": tiny / "tiny.net", "data": tiny / "train", "batch": 32, "steps": 20, "seed": 3, "threads": 1,
                 "optimizer": "momentum", "learning-rate": 0.02, "log-every": 1}
        usual.update({key.replace("_", "-"): value for key, value in keys.items()})
        if usual["net"] == "wide":
            usual["net"] = folder / "wide.net"
        name = repr((workers, again, sorted(usual.items(), key=str)))
        if name not in done:
            run = folder / f"run-{len(done)}"
            succeed("train", "--run", run, *(f"--{key}={value}" for key, value in usual.items()), workers=workers)
            done[name] = run
        return done[name]

    return train


def assert_same(one, other):
    assert losses(one) == losses(other)
    assert same_bits(checkpoints(one)[-1], checkpoints(other)[-1]) == []
    assert optimizer_state(checkpoints(one)[-1]) == optimizer_state(checkpoints(other)[-1])


def optimizer_state(checkpoint):
    found = {}
    with h5py.File(checkpoint, "r") as file:
        file["optimizer"].visititems(
            lambda name, item: found.update({name: item[...].tobytes()}) if isinstance(item, h5py.Dataset) else None)
    assert found
    return found


EXACT = [
    (2, {"exchange": "flat"}, "MPI between all workers"),
    (2, {"exchange": "hierarchical"}, "shared memory,"),
    (2, {"ranks_per_node": 1}, "MPI across 2 nodes"),
    (4, {"exchange": "flat", "bucket_bytes": 1024}, "MPI between all workers, buckets of 1.0 KiB"),
    (4, {"bucket_bytes": 1024}, "shared memory, buckets of 1.0 KiB"),
    (4, {"ranks_per_node": 2}, "shared memory within each of 2 nodes, MPI across"),
    (4, {"ranks_per_node": 2, "bucket_bytes": 1024}, "shared memory within each of 2 nodes, MPI across"),
    (4, {"ranks_per_node": 2, "bucket_bytes": 1024, "shard_optimizer": "on"}, "optimizer state in parts"),
    (4, {"ranks_per_node": 1}, "MPI across 4 nodes"),
    (4, {"ranks_per_node": 3}, "MPI between all workers"),  # 3 + 1 are not summed along the tree
]


UNLIKE = ("sh", "-c", 'exec "$@" --threads $((2 - OMPI_COMM_WORLD_RANK))', "sh")


@pytest.mark.parametrize("net", ["tiny", "large"])
def test_workers_of_unlike_threads_are_cut_alike(tiny, tmp_path, net):
    """Lanes, and the packed weights that workers share, follow from the number of threads."""
    nets = {"tiny": tiny / "tiny.net", "large": tmp_path / "large.net"}
    # Convolutions that are packed, and more than the 4 million parameters of nets whose threads are lanes.
    nets["large"].write_text("input 12x12x1\nconv K=32 F=3 P=1\nconv K=32 F=3 P=1\nrelu\nfc K=1000\nrelu\n"
                             "fc K=4\nloss softmax\n")
    keys = ["train", "--net", nets[net], "--data", tiny / "train", "--batch", "32", "--steps", "3", "--log-every", "1"]
    done = succeed(*keys, "--run", tmp_path / "unlike", workers=2, within=UNLIKE)
    assert "workers could have 1 to 2 threads; all take 1" in done.stderr
    succeed(*keys, "--run", tmp_path / "alike", "--threads", "1", workers=2)
    assert losses(tmp_path / "unlike") == losses(tmp_path / "alike")


@pytest.mark.parametrize("workers, keys, said", EXACT, ids=str)
def test_exact_bits_do_not_depend_on_the_exchange(trained, workers, keys, said):
    run = trained(workers, exact="on", **keys)
    assert said in exchange_of(run)
    assert_same(run, trained(1, exact="on"))


@pytest.mark.parametrize("shard", ["off", "on"])
def test_exact_bits_with_norms(trained, shard):
    keys = {"exact": "on", "optimizer": "lars", "clip_norm": 0.5, "learning_rate": 1}
    run = trained(4, ranks_per_node=2, bucket_bytes=1024, shard_optimizer=shard, **keys)
    assert_same(run, trained(1, **keys))


def test_exact_refuses_nodes_that_are_not_on_the_tree(tiny_train, tmp_path):
    done = convoy(*tiny_train("run", exact="on", exchange="hierarchical", ranks_per_node=3), workers=4)
    assert done.returncode == USAGE
    assert "4 workers on 2 nodes (3 + 1) cannot be summed" in done.stderr and "--exchange flat" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers, keys", [(2, {"net": "wide"}), (4, {"ranks_per_node": 2})], ids=str)
def test_the_same_run_twice_gives_the_same_bits(trained, workers, keys):
    assert_same(*(trained(workers, again=again, **keys) for again in range(2)))


def choice_of(run):
    """(key, choice) of the exchange in the run's tuning.json."""
    choices = json.loads((run / "tuning.json").read_text())["choices"]
    return next((key, entry["choice"]) for key, entry in choices.items() if key.startswith("exchange "))


def test_the_measured_choice_is_kept_and_used_again(tiny_train, tmp_path):
    keys = {"ranks_per_node": 2, "batch": 33}
    succeed(*tiny_train("run", steps=10, **keys), workers=3)
    run = tmp_path / "run"
    key, choice = choice_of(run)
    assert "3 workers on 2 nodes (2 + 1)" in key
    other = "flat" if choice.startswith("hierarchical, ") else "hierarchical"
    # Were it measured again, it would not come out like this.
    tuning = (run / "tuning.json").read_text()
    (run / "tuning.json").write_text(tuning.replace(choice, f"{other}, 5120"))
    succeed(*tiny_train("run", steps=20, **keys), "--resume", workers=3)
    assert exchange_of(run).endswith("buckets of 5.0 KiB")
    assert exchange_of(run).startswith("MPI between all" if other == "flat" else "shared memory within each of 2 nodes")
    assert choice_of(run) == (key, f"{other}, 5120")

    (run / "tuning.json").write_text(tuning.replace(choice, "ring, 5120"))
    done = convoy(*tiny_train("run", steps=30, **keys), "--resume", workers=3)
    assert done.returncode != OK
    assert "tuning.json: 'ring, 5120' is not a kind of exchange" in done.stderr


def test_the_size_of_buckets_is_measured_where_there_are_many(trained):
    run = trained(2, net="wide")
    key, choice = choice_of(run)
    assert "2 workers on 1 node" in key
    assert choice in ("hierarchical, 1048576", "hierarchical, 4194304")
    assert exchange_of(run).startswith("shared memory, buckets of ")


@pytest.mark.parametrize("workers, keys", [(2, {"exchange": "flat"}),
                                           (4, {"exchange": "hierarchical", "ranks_per_node": 2}),
                                           (4, {"exchange": "hierarchical", "ranks_per_node": 2,
                                                "shard_optimizer": "on"})], ids=str)
def test_bf16_gradients_learn_like_fp32(trained, workers, keys):
    fp32, bf16 = (losses(trained(workers, steps=40, exchange_dtype=dtype, **keys)) for dtype in ("fp32", "bf16"))
    assert fp32 != bf16
    # Each gradient is right to 2^-8, so that a step ends 2^-8 of its length beside where it should; a loss, which a few
    # such steps change by a part, is off by less than 1 %. Later on the ways may part.
    assert bf16[:5] == pytest.approx(fp32[:5], rel=0.01)
    assert bf16[-1] < 0.7 * bf16[0]


def test_bf16_changes_nothing_in_shared_memory(trained):
    assert_same(*(trained(2, exchange="hierarchical", exchange_dtype=dtype) for dtype in ("fp32", "bf16")))


@pytest.mark.parametrize("workers, keys", [(4, {"ranks_per_node": 2}), (3, {"ranks_per_node": 2, "batch": 33})], ids=str)
def test_state_in_parts_is_the_same_state(trained, workers, keys):
    runs = [trained(workers, exchange="hierarchical", optimizer="adam", learning_rate=0.003, bucket_bytes=1024,
                    shard_optimizer=shard, **keys) for shard in ("off", "on")]
    assert "in parts" in exchange_of(runs[1]) and "in parts" not in exchange_of(runs[0])
    assert_same(*runs)


def test_uneven_nodes_train_like_one_worker(trained):
    run = trained(3, exchange="hierarchical", ranks_per_node=2, batch=33)
    alone = trained(1, batch=33)
    # Only the order of summation differs, by a few 2^-24 in each of the first steps, whose losses are sums of thousands.
    assert losses(run)[:5] == pytest.approx(losses(alone)[:5], rel=1e-5, abs=0)
    assert losses(run)[-1] == pytest.approx(losses(alone)[-1], rel=0.01)


def test_a_checkpoint_of_many_nodes_goes_on_with_one_worker(tiny_train, tmp_path):
    succeed(*tiny_train("reference", exact="on"))
    succeed(*tiny_train("run", exact="on", ranks_per_node=2, shard_optimizer="on", steps=28), workers=4)
    # The recipe's nodes are no matter to a worker alone.
    succeed(*tiny_train("run", exact="on", ranks_per_node=2, shard_optimizer="on"), "--resume")
    assert [row["step"] for row in steps(tmp_path / "run")] == list(range(1, 61))
    assert_same(tmp_path / "run", tmp_path / "reference")


def test_workers_that_cannot_see_each_others_memory_send_messages(trained, tiny_train, tmp_path):
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare makes no PID namespaces here")
    # In namespaces of their own the workers' process numbers, and so /proc, say nothing of each other. Open MPI's own
    # shared memory needs those numbers as well.
    by_tcp = {"OMPI_MCA_btl": "self,tcp"}
    keys = {"exchange": "hierarchical", "checkpoint_every": 0, "steps": 20, "weight_decay": 0}
    done = succeed(*tiny_train("apart", **keys), workers=2, within=UNSHARE, environment=by_tcp)
    assert "the workers of a node exchange messages, not shared memory: worker 1 of the node: " in done.stderr
    assert exchange_of(tmp_path / "apart").startswith("MPI, buckets of ")
    succeed(*tiny_train("together", **keys), workers=2)
    assert exchange_of(tmp_path / "together").startswith("shared memory, buckets of ")
    assert_same(tmp_path / "apart", tmp_path / "together")


@pytest.mark.parametrize("victim", [1, 2])
def test_a_killed_worker_of_a_node(tiny_train, tmp_path, victim):
    """In nodes of two: one waits for the dead in shared memory, the others wait for that one."""
    keys = {"exchange": "hierarchical", "ranks_per_node": 2, "steps": 10_000_000}
    with Running(*tiny_train("run", **keys), workers=4, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 20)
        os.kill(run.pids[victim], signal.SIGKILL)
        assert run.until_gone(10) != OK
    assert exchange_of(tmp_path / "run").startswith("shared memory within each of 2 nodes")
    found = json.loads((tmp_path / "run/failure.json").read_text())
    assert found["rank"] == victim
    assert found["exit_code"] == PEER_LOST
