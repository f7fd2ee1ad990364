"""The key `profile`: what some steps of a run spent their time on, layer by layer, without changing what they do."""

import json
from pathlib import Path

import pytest

from program import BINARY, USAGE, checkpoints, convoy, losses, same_bits, steps, succeed

CUDA = BINARY.with_name("convoy_cuda_on_cpu")
LAYERS = ["input1", "conv1", "maxpool1", "conv2", "relu1", "maxpool2", "fc1", "relu2", "fc2", "loss1"]


@pytest.fixture
def train(tiny_train, tmp_path):
    """A function that trains 12 steps and returns the run folder."""

    def start(name, backend, workers=1, more=(), **keys):
        arguments = tiny_train(name, **{"steps": 12, "backend": backend, "share-gpu": "on", **keys})
        succeed(*arguments, *more, workers=workers, binary=CUDA,
                environment={"CUDA_ON_CPU_PROFILE": str(tmp_path / f"{name}.ranges")})
        return Path(arguments[arguments.index("--run") + 1])

    return start


def profile_of(run):
    return json.loads((run / "profile.json").read_text())


def ranges_of(run):
    return run.with_name(f"{run.name}.ranges").read_text().splitlines()


@pytest.mark.parametrize("window", ["1-3", "2-2", "5-12"])
@pytest.mark.parametrize("backend, workers", [("cpu", 1), ("cpu", 2), ("cuda", 1), ("cuda", 2)])
def test_a_profile_tells_each_layers_seconds_and_changes_no_bit(train, backend, workers, window):
    first, last = map(int, window.split("-"))
    plain = train("plain", backend, workers)
    run = train("run", backend, workers, profile=window)
    assert losses(run) == losses(plain)
    assert same_bits(checkpoints(run)[-1], checkpoints(plain)[-1]) == []

    profile = profile_of(run)
    assert (profile["first"], profile["last"], profile["workers"]) == (first, last, workers)
    assert [layer["name"] for layer in profile["layers"]] == LAYERS
    for layer in profile["layers"]:
        assert layer["forward"] > 0, layer
        assert layer["backward"] > 0 or layer["name"] in ("input1", "relu1"), layer
    # What the rows of these steps tell, summed.
    rows = steps(run)[first - 1:last]
    whole = profile["seconds"].pop("step")
    for name, seconds in profile["seconds"].items():
        assert seconds == pytest.approx(sum(row[name] for row in rows)), name
    assert whole > sum(layer["forward"] + layer["backward"] for layer in profile["layers"])
    assert profile["seconds"]["input"] > 0 and profile["seconds"]["update"] > 0
    assert (profile["seconds"]["exchange"] > 0) == (workers > 1)
    assert not (plain / "profile.json").exists()


def test_a_profiler_sees_exactly_these_steps(train):
    run = train("run", "cuda", profile="5-7")
    lines = ranges_of(run)
    window = lines[lines.index("start") + 1:lines.index("stop")]
    assert lines.count("start") == lines.count("stop") == 1
    assert [line for line in window if "step" in line] == [f"{what} step {n}" for n in (5, 6, 7) for what in ("begin", "end")]
    # Op by op: every layer's passes, in their order, within the step.
    step = window[:window.index("end step 5")]
    passes = [line for line in step if line.startswith(("begin forward", "begin backward"))]
    assert passes == ([f"begin forward {name}" for name in LAYERS] +
                      [f"begin backward {name}" for name in reversed(LAYERS[1:]) if name != "relu1"])
    assert {"begin input", "begin update", "begin refresh"} < set(step)
    assert "begin replay" not in window

    # The others are recorded once, with ranges, and replayed, as one.
    before, after = lines[:lines.index("start")], lines[lines.index("stop") + 1:]
    assert (before + after).count("begin forward conv1") == 2
    assert before.count("begin replay") == 3 and after.count("begin replay") == 5


def test_a_step_is_recorded_when_the_profile_is_taken(train):
    lines = ranges_of(train("run", "cuda", profile="1-3"))
    assert lines.count("begin forward conv1") == 4
    assert lines.count("begin replay") == 9


def test_exchange_has_its_ranges(train):
    alone, together = (ranges_of(train(f"of-{workers}", "cuda", workers, profile="2-3")) for workers in (1, 2))
    assert "begin exchange" not in alone
    assert "begin exchange" in together


def test_what_is_done_between_steps_is_no_part_of_it(train, tiny):
    often = {"eval-data": tiny / "test", "eval-every": 1, "checkpoint-every": 1}
    lines = ranges_of(train("run", "cuda", profile="5-7", **often))
    window = lines[lines.index("start"):lines.index("stop")]
    assert window[-1] == "end step 7" and window[1] == "begin step 5"


def test_a_resumed_run_profiles_what_is_left(train):
    train("run", "cpu", steps=5)
    run = train("run", "cpu", profile="4-7", more=["--resume"])
    assert (profile_of(run)["first"], profile_of(run)["last"]) == (6, 7)
    assert "\nprofile =" not in (run / "recipe.cfg").read_text()
    (run / "profile.json").unlink()
    run = train("run", "cpu", steps=14, profile="4-7", more=["--resume"])
    assert "nothing is profiled" in (run / "train.log").read_text()
    assert not (run / "profile.json").exists()


@pytest.mark.parametrize("value, reason", [("5", "FIRST-LAST"), ("9-8", "FIRST-LAST"), ("0-3", "FIRST-LAST"),
                                           ("5-13", "after step 12")])
def test_a_bad_window_is_one_line(tiny_train, value, reason):
    done = convoy(*tiny_train("run", steps=12, profile=value))
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and f"profile {value}" in done.stderr and reason in done.stderr
