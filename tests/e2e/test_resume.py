"""A run that was interrupted goes on as if nothing had happened."""

import os
import random
import signal

import pytest

from idx import made_up, write_pair
from program import OK, PREEMPTED, USAGE, Running, checkpoints, convoy, losses, same_bits, steps, succeed


FOREVER = 10_000_000


@pytest.fixture
def uninterrupted(tiny_train, tmp_path):
    """A function: the run folder of so many steps made in one go by so many workers."""

    def run(workers, steps=60):
        succeed(*tiny_train("uninterrupted", steps=steps), workers=workers)
        return tmp_path / "uninterrupted"

    return run


def last_step(run):
    return int(checkpoints(run)[-1].stem.split("-")[1])


def assert_same_run(run, reference):
    last = last_step(reference)
    assert [row["step"] for row in steps(run)] == list(range(1, last + 1))  # rows past the checkpoint were cut
    assert losses(run) == losses(reference)
    assert last_step(run) == last
    assert same_bits(checkpoints(run)[-1], checkpoints(reference)[-1]) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_a_random_step(tiny_train, tmp_path, uninterrupted, workers, seed):
    with Running(*tiny_train("run", steps=FOREVER), workers=workers, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", random.Random(seed).randrange(8, 200))
        run.kill_all()
        run.until_gone(20)
    last = last_step(tmp_path / "run") + 10
    succeed(*tiny_train("run", steps=last), "--resume", workers=workers)
    assert_same_run(tmp_path / "run", uninterrupted(workers, last))


def test_resume_with_nothing_saved_starts_anew(tiny_train, tmp_path, uninterrupted):
    reference = uninterrupted(1)
    succeed(*tiny_train("run"), "--resume")
    assert_same_run(tmp_path / "run", reference)


def test_resume_of_a_finished_run_changes_nothing(tiny_train, tmp_path, uninterrupted):
    reference = uninterrupted(1)
    before = checkpoints(reference)[-1].read_bytes()
    succeed(*tiny_train("uninterrupted"), "--resume")
    assert checkpoints(reference)[-1].read_bytes() == before
    assert len(steps(reference)) == 60


def test_exact_resumes_at_another_worker_count(tiny_train, tmp_path):
    succeed(*tiny_train("reference", exact="on"))
    succeed(*tiny_train("run", exact="on", steps=28), workers=4)
    succeed(*tiny_train("run", exact="on"), "--resume", workers=2)
    assert_same_run(tmp_path / "run", tmp_path / "reference")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_saves_and_exits_75(tiny_train, tmp_path, uninterrupted, workers, number):
    keys = {"checkpoint_every": 0}
    with Running(*tiny_train("run", steps=FOREVER, **keys), workers=workers, log=tmp_path / "log") as run:
        run.until_step(tmp_path / "run", 5)
        os.kill(run.pids[workers - 1], number)
        assert run.until_gone(20) == PREEMPTED, run.output()
        assert "--resume" in run.output()
    last = last_step(tmp_path / "run") + 10
    assert len(checkpoints(tmp_path / "run")) == 1 and last == len(steps(tmp_path / "run")) + 10
    succeed(*tiny_train("run", steps=last, **keys), "--resume", workers=workers)
    assert_same_run(tmp_path / "run", uninterrupted(workers, last))


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tiny_train, tmp_path, uninterrupted, damage):
    reference = uninterrupted(1)
    succeed(*tiny_train("run", steps=40))
    newest = checkpoints(tmp_path / "run")[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"flipped": content, "cut": content[:-100], "empty": b""}[damage])
    done = succeed(*tiny_train("run"), "--resume")
    assert newest.name in done.stderr and "step-00000035.h5" in done.stderr
    assert_same_run(tmp_path / "run", reference)


def test_a_run_folder_in_use_is_not_overwritten(tiny_train, tmp_path):
    succeed(*tiny_train("run", steps=20))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    done = convoy(*tiny_train("run", steps=20))
    assert done.returncode not in (OK, 1), done.stderr
    assert "--resume" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_other_data_of_the_same_size_is_not_gone_on_with(tiny, tiny_train, tmp_path):
    arguments = tiny_train("run", steps=14)
    succeed(*arguments)
    pair = write_pair(tmp_path / "other-idx", *made_up(320, seed=77))
    succeed("import", "idx", *pair, "--out", tmp_path / "other")
    done = convoy(*tiny_train("run", steps=21, data=tmp_path / "other"), "--resume")
    assert done.returncode == USAGE and "dataset-id: " in done.stderr, done.stderr
    assert len(steps(tmp_path / "run")) == 14
    succeed(*tiny_train("run", steps=21), "--resume")
