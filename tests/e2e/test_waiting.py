"""Time lost to waiting is shown: who came last, and how long the first worker waited."""

import re

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
