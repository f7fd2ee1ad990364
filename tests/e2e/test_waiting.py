"""Time lost to waiting is shown: who came last, how long the first worker waited, and who has no core of its own."""

import os
import re
import socket

import pytest

from program import steps, succeed


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_slow_worker_is_named(tiny_train, tmp_path, slow):
    done = succeed(*tiny_train("run", steps=12, batch=33, fault=f"slow:{slow}:100"), workers=3)
    rows = steps(tmp_path / "run")
    assert len(rows) == 12
    # A hundred times what a step takes; another one is as late only where the machine stalls.
    assert sum(row["last_worker"] == slow for row in rows) >= 10
    for row in rows:
        assert row["waited"] == 0 if row["last_worker"] == 0 else row["waited"] > 0
    assert re.search(rf"exchange: .* ms of a .* step, .*; worker {slow} came last in .* % of the steps, ", done.stderr)


def test_a_worker_alone_waits_for_nobody(tiny_train, tmp_path):
    done = succeed(*tiny_train("run", steps=3))
    assert [(row["last_worker"], row["waited"]) for row in steps(tmp_path / "run")] == [(0, 0)] * 3
    assert "came last" not in done.stderr


CORES = os.sched_getaffinity(0)


def test_workers_without_cores_of_their_own_are_told(tiny_train):
    done = succeed(*tiny_train("run", steps=2, batch=36), workers=len(CORES) + 1)
    lines = [line for line in done.stderr.splitlines() if "busiest core" in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"workers 0-{len(CORES)} on {socket.gethostname()} share {len(CORES)} core")


@pytest.mark.parametrize("threads", [0, 1])
def test_workers_that_have_them_are_not(tiny_train, threads):
    """The masks are shared, the cores suffice."""
    done = succeed(*tiny_train("run", steps=2, threads=threads), workers=min(len(CORES), 2))
    assert "core;" not in done.stderr


def test_more_threads_than_cores_are_told(tiny_train):
    done = succeed(*tiny_train("run", steps=2, threads=len(CORES) + 1))
    assert f"is to run {len(CORES) + 1} threads on {len(CORES)} core" in done.stderr
