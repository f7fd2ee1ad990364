"""Data that the end-to-end tests share: a made-up dataset, Fashion-MNIST and MNIST where they are installed."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from program import BINARY, REPOSITORY, succeed  # noqa: E402
from tiny_data import copied, tiny, tiny_train  # noqa: E402, F401

FASHION = Path("/usr/share/datasets/fashion-mnist")


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
def fashion(tmp_path_factory):
    """Fashion-MNIST's training and test part as shards."""
    if not FASHION.exists():
        pytest.skip(f"no {FASHION}: install dataset-fashion-mnist")
    folder = tmp_path_factory.mktemp("fashion")
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = (FASHION / f"{prefix}-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
        succeed("import", "idx", images, labels, "--out", folder / part)
    return folder
