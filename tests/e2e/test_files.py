"""What Convoy writes, read by other tools; what it prints, read by programs."""

import json

import h5py
import numpy
import pytest

from idx import made_up
from program import answer, checkpoints, convoy, parameters, rows, succeed

STEP_FIELDS = {"kind", "step", "samples", "epoch", "loss", "accuracy", "learning_rate", "images_per_second", "input",
               "forward", "backward", "exchange", "update", "exposed", "refresh", "last_worker", "waited"}
EVAL_FIELDS = {"kind", "step", "samples", "loss", "top1", "top5"}


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files") / "run"
    succeed("train", "--net", tiny / "tiny.net", "--data", tiny / "train", "--eval-data", tiny / "test", "--run", folder,
            "--batch", 32, "--steps", 20, "--log-every", 5, "--eval-every", 10, "--checkpoint-every", 10,
            "--optimizer", "momentum", "--learning-rate", 0.02, workers=2)
    return folder


def test_shards_hold_what_was_imported(tiny):
    images, labels = made_up(320, seed=len("train"))
    shards = sorted((tiny / "train").glob("*.h5"))
    assert len(shards) == 3
    found_images, found_labels = [], []
    for path in shards:
        with h5py.File(path, "r") as file:
            assert file["images"].dtype == numpy.uint8 and file["labels"].dtype == numpy.int32
            assert file["images"].chunks is None and file["images"].id.get_offset() % 4096 == 0
            assert len(file["crc32c"]) == len(file["images"]) == len(file["labels"])
            found_images.append(file["images"][...])
            found_labels.append(file["labels"][...])
            assert file.attrs["mean"] == pytest.approx([file["images"][...].mean()])
            assert file.attrs["deviation"] == pytest.approx([file["images"][...].std()])
            assert numpy.allclose(file["mean_image"][...], file["images"][...].mean(axis=0))
    assert numpy.array_equal(numpy.concatenate(found_images), images[..., None])
    assert numpy.array_equal(numpy.concatenate(found_labels), labels)
    whole = answer("inspect", tiny / "train")
    assert whole["mean"] == pytest.approx([images.mean()]) and whole["deviation"] == pytest.approx([images.std()])


def test_a_shard_written_by_h5py_is_a_dataset(tiny, run, tmp_path):
    images, labels = made_up(50, seed=len("test"))
    (tmp_path / "own").mkdir()
    with h5py.File(tmp_path / "own/part.h5", "w") as file:
        file["images"] = images[..., None].astype(numpy.uint8)
        file["labels"] = labels.astype(numpy.int32)
    question = ("eval", "--checkpoint", checkpoints(run)[-1], "--data")
    assert answer(*question, tmp_path / "own") == answer(*question, tiny / "test")


def test_a_checkpoint_holds_parameters_and_state(run):
    path = checkpoints(run)[-1]
    shapes = {name: value.shape for name, value in parameters(path).items()}
    assert shapes == {"conv1/weight": (8, 3, 3, 1), "conv1/bias": (8,), "conv2/weight": (8, 2, 2, 8), "conv2/bias": (8,),
                      "fc1/weight": (16, 32), "fc1/bias": (16,), "fc2/weight": (4, 16), "fc2/bias": (4,)}
    with h5py.File(path, "r") as file:
        assert {"params", "optimizer", "state", "network", "recipe"} <= set(file)
        assert file["state"].attrs["step"] == 20 and file["state"].attrs["samples"] == 640
        assert "conv K=8" in file["network"].asstr()[()]
        assert "learning-rate" in file["recipe"].asstr()[()]
        (slot,) = file["optimizer"].values()
        assert slot["fc1/weight"].shape == (16, 32)


def test_metrics_hold_the_promised_fields(run):
    steps = rows(run, "step")
    assert [row["step"] for row in steps] == [5, 10, 15, 20]
    assert all(row.keys() == STEP_FIELDS for row in steps)
    assert [row["samples"] for row in steps] == [160, 320, 480, 640]
    assert [row["epoch"] for row in steps] == [0.5, 1, 1.5, 2]
    assert all(row["images_per_second"] > 0 for row in steps)
    assert all(row[part] >= 0 for row in steps for part in ("input", "forward", "backward", "exchange", "update"))
    evaluations = rows(run, "eval")
    assert [row["step"] for row in evaluations] == [10, 20]
    assert all(row.keys() == EVAL_FIELDS and row["samples"] == 50 for row in evaluations)
    assert evaluations[-1]["top5"] == 1  # of four classes
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 6


def test_the_resolved_recipe_is_kept(run, tmp_path):
    assert "batch = 32" in (run / "recipe.cfg").read_text()
    succeed("train", run / "recipe.cfg", "--run", tmp_path / "again", workers=2)
    assert checkpoints(tmp_path / "again")[-1].name == checkpoints(run)[-1].name
    assert [row["loss"] for row in rows(tmp_path / "again", "step")] == [row["loss"] for row in rows(run, "step")]


def test_net_answers_in_json(tiny):
    found = answer("net", tiny / "tiny.net")
    assert found["parameters"] == 80 + 264 + 528 + 68
    assert found["multiply_adds"] == 10 * 10 * 8 * 9 + 4 * 4 * 8 * 32 + 32 * 16 + 16 * 4
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["conv2"]["kind"] == "conv" and layers["conv2"]["parameters"] == 264
    assert layers["fc1"]["multiply_adds"] == 512
    assert found["memory"]


def test_other_commands_answer_in_json(tiny, run, tmp_path, tiny_train):
    pair = [tiny / f"test-idx/{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
    assert answer("import", "idx", *pair, "--out", tmp_path / "out")["samples"] == 50
    assert answer("inspect", tiny / "train")["samples"] == 320
    assert answer("inspect", checkpoints(run)[-1])["step"] == 20
    assert answer("eval", "--checkpoint", checkpoints(run)[-1], "--data", tiny / "test").keys() >= {
        "samples", "loss", "top1", "top5"}
    assert answer(*tiny_train("run", steps=5))
    assert answer(*tiny_train("run-2", steps=5), workers=2)


@pytest.mark.parametrize("command", [(), ("import",), ("import", "idx"), ("inspect",), ("net",), ("train",), ("eval",)])
def test_help(command):
    done = convoy(*command, "--help")
    assert done.returncode == 0
    assert "convoy" in done.stdout and done.stderr == ""
    assert len(done.stdout.splitlines()) > 3
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_version_and_no_arguments():
    assert convoy("--version").stdout.startswith("convoy ")
    assert convoy().returncode == 2


def test_only_rank_0_speaks(tiny_train):
    one = succeed(*tiny_train("one", steps=10))
    two = succeed(*tiny_train("two", steps=10), workers=2)
    assert one.stdout == two.stdout == ""
    count = [sum(" loss " in line for line in done.stderr.splitlines()) for done in (one, two)]
    assert count[0] == count[1] > 0
    assert "\r" not in two.stderr and "\x1b" not in two.stderr  # a live line is for terminals


def test_metrics_are_json_for_any_reader(run):
    for line in (run / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
