"""Data that the end-to-end tests share: a made-up dataset, Fashion-MNIST and MNIST where they are installed."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from idx import made_up, write_pair  # noqa: E402
from program import BINARY, REPOSITORY, succeed  # noqa: E402

FASHION = Path("/usr/share/datasets/fashion-mnist")
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


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing; tests/run builds it, or set CONVOY_BINARY", returncode=1)


@pytest.fixture(scope="session")
def test_data():
    """A function: the path of a file of the project's test data, or the reason to skip."""
    folder = Path(os.environ.get("CONVOY_TEST_DATA", REPOSITORY / "../shared/data"))

    def find(name):
        if not (folder / name).exists():
            pytest.skip(f"no {name} in {folder} (CONVOY_TEST_DATA)")
        return folder / name

    return find


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A made-up dataset of 320 training and 50 test images of 12x12x1, its network, and its IDX files."""
    folder = tmp_path_factory.mktemp("tiny")
    for part, count, shards in (("train", 320, 3), ("test", 50, 1)):
        pair = write_pair(folder / f"{part}-idx", *made_up(count, seed=len(part)))
        succeed("import", "idx", *pair, "--out", folder / part, "--shards", shards)
    (folder / "tiny.net").write_text(TINY_NET)
    return folder


@pytest.fixture(scope="session")
def fashion(tmp_path_factory):
    """Fashion-MNIST's training and test part as shards."""
    if not FASHION.exists():
        pytest.skip(f"no {FASHION}: install dataset-fashion-mnist")
    folder = tmp_path_factory.mktemp("fashion")
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = (FASHION / f"{prefix}-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
        succeed("import", "idx", images, labels, "--out", folder / part)
    return folder


@pytest.fixture
def tiny_train(tiny, tmp_path):
    """A function that gives the arguments of a training run on the made-up dataset; keys replace the usual ones."""

    def arguments(name, **keys):
        usual = {"net": tiny / "tiny.net", "data": tiny / "train", "run": tmp_path / name, "batch": 32, "steps": 60,
                 "seed": 3, "optimizer": "momentum", "learning-rate": 0.02, "momentum": 0.9, "weight-decay": 0.0005,
                 "log-every": 1, "checkpoint-every": 7, "threads": 1}
        usual.update({key.replace("_", "-"): value for key, value in keys.items()})
        return ["train", *(str(word) for key, value in usual.items() for word in (f"--{key}", value))]

    return arguments
