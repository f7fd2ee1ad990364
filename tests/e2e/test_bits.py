"""The two promises about bits (design 8), on LeNet and Fashion-MNIST."""

import pytest

from program import REPOSITORY, answer, checkpoints, losses, rows, same_bits, steps, succeed

LENET = REPOSITORY / "experiments/nets/lenet.net"


@pytest.fixture(scope="module")
def train_lenet(fashion, tmp_path_factory):
    """A function that trains LeNet at a global batch of 64 and returns the run folder."""
    folder = tmp_path_factory.mktemp("bits")

    def train(name, workers, threads, step_count, exact, warmup=0):
        run = folder / name
        succeed("train", "--net", LENET, "--data", fashion / "train", "--run", run, "--batch", 64, "--seed", 1,
                "--steps", step_count, "--optimizer", "momentum", "--learning-rate", 0.05, "--momentum", 0.9,
                "--weight-decay", 0.0005, "--log-every", 1, "--threads", threads, "--exact", exact, "--warmup", warmup,
                workers=workers)
        assert len(steps(run)) == step_count
        return run

    return train


@pytest.fixture(scope="module")
def alone(train_lenet):
    return train_lenet("alone", 1, 2, 20, "off", warmup=500)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_first_losses_do_not_depend_on_the_workers(train_lenet, alone, workers):
    run = train_lenet(f"workers-{workers}", workers, 1, 20, "off", warmup=500)
    # Only the order of summation differs. Without a warm-up that difference may meet a kink of relu or maxpool within 20
    # steps, by luck of the seed and whatever the kernels, and grow to 1e-3.
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5, abs=0)
    assert [row["samples"] for row in steps(run)] == [64 * step for step in range(1, 21)]


@pytest.mark.parametrize("workers, threads", [(1, 2), (2, 1)])
def test_the_same_run_twice_gives_the_same_bits(train_lenet, workers, threads):
    one, two = (train_lenet(f"twice-{workers}-{i}", workers, threads, 60, "off") for i in range(2))
    assert losses(one) == losses(two)
    assert same_bits(checkpoints(one)[-1], checkpoints(two)[-1]) == []


@pytest.fixture(scope="module")
def exact_alone(train_lenet):
    return train_lenet("exact-1-1", 1, 1, 200, "on")


@pytest.mark.parametrize("workers, threads", [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)])
def test_exact_bits_depend_on_neither_workers_nor_threads(train_lenet, exact_alone, workers, threads):
    run = train_lenet(f"exact-{workers}-{threads}-again", workers, threads, 200, "on")
    assert losses(run) == losses(exact_alone)
    assert same_bits(checkpoints(run)[-1], checkpoints(exact_alone)[-1]) == []


def test_different_seeds_give_different_bits(train_lenet, tiny_train, tmp_path):
    """Otherwise the comparisons above could not fail."""
    for seed in (1, 2):
        succeed(*tiny_train(f"seed-{seed}", seed=seed, steps=3))
    one, two = (checkpoints(tmp_path / f"seed-{seed}")[-1] for seed in (1, 2))
    assert losses(tmp_path / "seed-1") != losses(tmp_path / "seed-2")
    assert same_bits(one, two)


@pytest.mark.parametrize("workers", [2, 4])
def test_evaluation_does_not_depend_on_the_workers(exact_alone, fashion, workers):
    question = ("eval", "--checkpoint", checkpoints(exact_alone)[-1], "--data", fashion / "test")
    one = answer(*question)
    assert one["samples"] == 10000
    assert answer(*question, workers=workers) == one


def test_evaluation_while_training_agrees_with_eval(tiny, tiny_train, tmp_path):
    """50 test images at a batch of 32: the ragged end is counted once."""
    for workers in (1, 2):
        run = tmp_path / f"run-{workers}"
        succeed(*tiny_train(run.name, steps=20, eval_every=10, eval_data=tiny / "test"), workers=workers)
        evaluations = rows(run, "eval")
        assert [row["step"] for row in evaluations] == [10, 20]
        after = answer("eval", "--checkpoint", checkpoints(run)[-1], "--data", tiny / "test")
        assert {key: evaluations[-1][key] for key in after} == after
        assert after["samples"] == 50
