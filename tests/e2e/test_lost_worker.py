"""A worker that dies or goes silent ends the run within seconds, and failure.json says who it was."""

import json
import os
import signal
import socket

import pytest

from program import OK, PEER_LOST, Running, checkpoints, convoy, exchange_of, losses, same_bits, succeed

FOREVER = 10_000_000


def failure(run):
    return json.loads((run / "failure.json").read_text())


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_killed_worker(tiny_train, tmp_path, victim):
    with Running(*tiny_train("run", steps=FOREVER, batch=33), workers=3, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 20)
        os.kill(run.pids[victim], signal.SIGKILL)
        assert run.until_gone(10) != OK
    assert exchange_of(tmp_path / "run").startswith("shared memory")
    found = failure(tmp_path / "run")
    assert found["rank"] == victim
    assert found["host"] == socket.gethostname()
    assert found["step"] >= 19
    assert found["exit_code"] == PEER_LOST
    assert found["phase"] and "\n" not in found["cause"]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_silent_worker(tiny_train, tmp_path, victim):
    with Running(*tiny_train("run", steps=FOREVER, timeout=3), workers=2, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 20)
        os.kill(run.pids[victim], signal.SIGSTOP)
        assert run.until_gone(15) != OK  # 3 s of silence, 2 s for MPI_Abort, 2 s until mpirun kills the stopped one
    found = failure(tmp_path / "run")
    assert found["rank"] == victim
    assert found["exit_code"] == PEER_LOST


def test_the_run_goes_on_after_a_loss(tiny_train, tmp_path):
    succeed(*tiny_train("reference"), workers=2)
    done = convoy(*tiny_train("run"), "--fault", "kill:1:30", workers=2)
    assert done.returncode != OK
    assert failure(tmp_path / "run")["rank"] == 1
    succeed(*tiny_train("run"), "--resume", workers=2)
    assert not (tmp_path / "run/failure.json").exists()
    assert (tmp_path / "run/failure-1.json").exists()
    assert losses(tmp_path / "run") == losses(tmp_path / "reference")
    assert same_bits(checkpoints(tmp_path / "run")[-1], checkpoints(tmp_path / "reference")[-1]) == []
