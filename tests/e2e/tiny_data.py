"""A made-up dataset and a network for it, small enough for a thousand steps a second. Fixtures, for a conftest to import."""

import shutil

import pytest

from idx import made_up, write_pair
from program import succeed

TINY_NET = """input 12x12x1
conv K=8 F=3
maxpool F=2 S=2
conv K=8 F=2
relu
maxpool F=2 S=2
fc K=16
relu
fc K=4
loss softmax
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A made-up dataset of 320 training and 50 test images of 12x12x1, its network, and its IDX files."""
    folder = tmp_path_factory.mktemp("tiny")
    for part, count, shards in (("train", 320, 3), ("test", 50, 1)):
        pair = write_pair(folder / f"{part}-idx", *made_up(count, seed=len(part)))
        succeed("import", "idx", *pair, "--out", folder / part, "--shards", shards)
    (folder / "tiny.net").write_text(TINY_NET)
    return folder


@pytest.fixture
def copied(tiny, tmp_path):
    """A copy of the made-up training set that a test may damage."""
    shutil.copytree(tiny / "train", tmp_path / "train")
    return tmp_path / "train"


def shard(folder, number):
    return sorted(folder.glob("*.h5"))[number]


def arguments_of(tiny, folder, /, **keys):
    """Of a training run in `folder` on the made-up dataset; keys replace the usual ones, `run` the folder."""
    usual = {"net": tiny / "tiny.net", "data": tiny / "train", "run": folder, "batch": 32, "steps": 60,
             "seed": 3, "optimizer": "momentum", "learning-rate": 0.02, "momentum": 0.9, "weight-decay": 0.0005,
             "log-every": 1, "checkpoint-every": 7, "threads": 1}
    usual.update({key.replace("_", "-"): value for key, value in keys.items()})
    return ["train", *(str(word) for key, value in usual.items() for word in (f"--{key}", value))]


@pytest.fixture
def tiny_train(tiny, tmp_path):
    """A function: arguments_of a run folder of that name."""
    return lambda name, **keys: arguments_of(tiny, tmp_path / name, **keys)
