"""A worker's share of the batch in several passes: the same run, in less memory."""

import re

import pytest

from program import USAGE, answer, checkpoints, convoy, losses, parameters, steps, succeed

# Activations outweigh the gradients of any layer.
WIDE = """input 12x12x1
conv K=32 F=3 P=1
relu
conv K=16 F=3 P=1
relu
dropout p=0.2
globalavgpool
fc K=4
loss softmax
"""


def planned_bytes(done):
    """Of the line `memory for each worker 3.1 MiB: ...`."""
    number, unit = re.search(r"memory for each worker ([\d.]+) (\w+):", done.stderr).groups()
    return float(number) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]


@pytest.mark.parametrize("workers, threads, micro_batch", [(1, 1, 8), (1, 2, 8), (2, 1, 4), (1, 2, 1)])
def test_the_same_run_in_less_memory(tiny, tiny_train, tmp_path, workers, threads, micro_batch):
    (tmp_path / "wide.net").write_text(WIDE)
    # The plain optimizer: others would multiply what rounding changes.
    keys = {"net": tmp_path / "wide.net", "eval-data": tiny / "test", "threads": threads, "steps": 12, "optimizer": "sgd",
            "momentum": 0}
    whole = succeed(*tiny_train("whole", **keys), workers=workers)
    parts = succeed(*tiny_train("parts", **keys, **{"micro-batch": micro_batch}), workers=workers)
    # Sums in another order; 12 steps are too few to carry that further than a few roundings of fp32.
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    assert [row["samples"] for row in steps(tmp_path / "parts")] == [32 * step for step in range(1, 13)]
    assert planned_bytes(parts) < 0.6 * planned_bytes(whole)
    one, other = (parameters(checkpoints(tmp_path / name)[-1]) for name in ("whole", "parts"))
    for name in one:
        assert other[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6), name


def test_a_resumed_run_may_change_it(tiny_train, tmp_path):
    """Positions and checkpoints know nothing of it; that bits may differ is said."""
    succeed(*tiny_train("whole", steps=20))
    succeed(*tiny_train("halves", steps=10, micro_batch=8))
    done = succeed(*tiny_train("halves", steps=20, micro_batch=0), "--resume")
    assert "passes was 4 and is 1 now" in done.stderr
    assert losses(tmp_path / "halves") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


def test_the_same_bits_each_time(tiny_train, tmp_path):
    for name in ("one", "two"):
        succeed(*tiny_train(name, micro_batch=4, threads=2, steps=10), workers=2)
    assert losses(tmp_path / "one") == losses(tmp_path / "two")


def test_what_does_not_fit(tiny_train):
    for keys, says in (({"micro_batch": 12}, "micro-batch 12 .*--micro-batch 8"),
                       ({"micro_batch": 8, "exact": "on"}, "micro-batch 8.*exact.*--lanes")):
        done = convoy(*tiny_train("run", **keys))
        assert done.returncode == USAGE
        assert re.search(says, done.stderr) and done.stderr.count("\n") == 1, done.stderr


def test_bench_takes_it(tiny):
    question = ("bench", "step", "--net", tiny / "tiny.net", "--batch", 64, "--steps", 3, "--threads", 1)
    whole, parts = answer(*question), answer(*question, "--micro-batch", 4)
    assert (whole["micro_batch"], parts["micro_batch"]) == (64, 4)
    assert parts["planned_bytes"] < 0.5 * whole["planned_bytes"]
