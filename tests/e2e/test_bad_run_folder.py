"""A run folder that cannot be written to, or fills up while training."""

import contextlib
import os
import subprocess

import pytest

from program import OK, STORAGE, checkpoints, convoy, parameters, succeed
from test_bad_input import error_line


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many KiB and gives its folder; taken away afterwards."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(kib):
        if os.geteuid() != 0:
            pytest.skip("mounting a small file system needs root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "convoy-test", folder], capture_output=True)
        if done.returncode:
            pytest.skip("mount is not allowed here: " + done.stderr.decode().strip())
        mounted.append(folder)
        return folder

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


def test_a_read_only_folder(tiny_train, small_disk):
    disk = small_disk(1024)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for workers in (1, 2):
        line = error_line(convoy(*tiny_train("run", run=disk / "run"), workers=workers, timeout=60), STORAGE)
        assert str(disk / "run") in line and "ead-only" in line


def test_a_full_folder(tiny_train, small_disk):
    disk = small_disk(64)
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    line = error_line(convoy(*tiny_train("run", run=disk / "run")), STORAGE)
    assert str(disk / "run") in line


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_fills_up(tiny, tiny_train, tmp_path, small_disk, workers):
    """Each checkpoint (weights and momentum of 140,000 parameters) takes 1.1 MB of 3 MB."""
    wide = tmp_path / "wide.net"
    wide.write_text((tiny / "tiny.net").read_text().replace("fc K=16", "fc K=4000"))
    disk = small_disk(3000)
    arguments = tiny_train("run", net=wide, run=disk / "run", steps=60, keep_checkpoints=0)
    line = error_line(convoy(*arguments, workers=workers, timeout=60), STORAGE)
    assert str(disk / "run") in line
    kept = checkpoints(disk / "run")
    assert kept and all(parameters(path) for path in kept)
    assert not [path for path in (disk / "run/checkpoints").iterdir() if path not in kept], "a half-written file was left"


def test_a_file_in_its_place(tiny_train, tmp_path):
    (tmp_path / "run").write_text("mine")
    line = error_line(convoy(*tiny_train("run")), STORAGE)
    assert str(tmp_path / "run") in line
    assert (tmp_path / "run").read_text() == "mine"


def test_import_to_a_full_folder(tiny, small_disk):
    disk = small_disk(16)
    pair = [tiny / f"train-idx/{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
    line = error_line(convoy("import", "idx", *pair, "--out", disk / "out"), STORAGE)
    assert str(disk / "out") in line
    assert not list((disk / "out").glob("*")) and OK == 0


def test_the_same_run_fits_a_larger_disk(tiny_train, small_disk):
    """The tests above fail for the size alone."""
    succeed(*tiny_train("run", run=small_disk(3000) / "run"))
