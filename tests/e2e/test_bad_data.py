"""Datasets that are damaged, incomplete or mixed up: each a clear outcome, in training, inspection and verification."""

import re
import shutil

import h5py
import numpy
import pytest

from idx import made_up, write_pair
from program import DATA, OK, answer, convoy, succeed
from tiny_data import shard


def error_lines(done, code=DATA):
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return [line for line in done.stderr.splitlines() if line.strip()]


def flip(path, image, images="images", size=144):
    """Changes a byte of an image; returns where the image begins."""
    with h5py.File(path, "r") as file:
        offset = file[images].id.get_offset() + image * size
    content = bytearray(path.read_bytes())
    content[offset + 50] ^= 4
    path.write_bytes(content)
    return offset


def both(copied, tiny_train):
    """What training and inspection say about it."""
    return [convoy(*tiny_train("run", data=copied), timeout=60), convoy("inspect", copied, timeout=60)]


def test_a_truncated_shard(copied, tiny_train):
    path = shard(copied, 2)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1000])
    for done in both(copied, tiny_train):
        (line,) = error_lines(done)
        assert str(path) in line and f"{size - 1000} bytes of {size}" in line


def test_a_missing_shard(copied, tiny_train):
    shard(copied, 1).unlink()
    for done in both(copied, tiny_train):
        (line,) = error_lines(done)
        assert f"{copied}: 1 of 3 shards missing: number 1;" in line and "goes on" in line


def test_a_shard_of_another_dataset(copied, tiny_train, tmp_path):
    pair = write_pair(tmp_path / "idx", *made_up(320, seed=99))
    succeed("import", "idx", *pair, "--out", tmp_path / "other", "--shards", 3)
    path = shard(copied, 1)
    shutil.copyfile(shard(tmp_path / "other", 1), path)
    for done in both(copied, tiny_train):
        (line,) = error_lines(done)
        assert str(path) in line and "does not belong" in line and "dataset_id" in line


def test_shards_of_two_imports_of_the_same_data(tiny, copied, tiny_train):
    path = copied / "zz.h5"
    shutil.copyfile(shard(copied, 1), path)
    for done in both(copied, tiny_train):
        (line,) = error_lines(done)
        assert str(path) in line and "is shard 1, and so is" in line


def test_a_label_out_of_range(copied, tiny_train):
    path = shard(copied, 0)
    with h5py.File(path, "r+") as file:
        file["labels"][3] = 4
        del file.attrs["labels_crc32c"]
    for done in both(copied, tiny_train):
        (line,) = error_lines(done)
        assert str(path) in line and "label of row 3 is 4, outside 0 to 3" in line


def test_verify_names_every_damaged_image(copied):
    assert "all images agree with their checksums" in succeed("inspect", copied, "--verify").stdout
    places = [(shard(copied, number), image, flip(shard(copied, number), image))
              for number, image in ((0, 5), (0, 6), (2, 0))]
    done = convoy("inspect", copied, "--verify")
    lines = error_lines(done)
    assert len(lines) == 4
    for line, (path, image, offset) in zip(lines, places):
        assert f"{path}: image {image} at byte {offset}:" in line and "damaged" in line
    assert f"{copied}: 3 of 320 images are damaged;" in lines[3]
    assert done.stdout == ""
    assert error_lines(convoy("inspect", copied, "--verify", "--json"))[-1] == lines[3]


def test_verify_names_ten_damaged_images_and_counts_them_all(copied):
    for image in range(15):
        flip(shard(copied, 1), image)
    lines = error_lines(convoy("inspect", copied, "--verify"))
    assert [re.search(r"image (\d+)", line).group(1) for line in lines[:10]] == [str(i) for i in range(10)]
    assert len(lines) == 11 and "15 of 320 images are damaged (the first 10 are named above)" in lines[10]


def write(path, images, labels, **how):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, **how)
        file["labels"] = labels


# Layouts of h5py; those that only HDF5 can read come with a line that tells what it costs.
LAYOUTS = {
    "contiguous": ({}, numpy.uint8, "<i4", None),
    "big-endian-labels": ({}, numpy.uint8, ">i8", None),
    "chunked": ({"chunks": (7, 12, 12, 1)}, numpy.uint8, "<i4", "chunked"),
    "gzip": ({"chunks": (7, 5, 5, 1), "compression": "gzip", "shuffle": True}, numpy.uint8, "<i4", "shuffle, gzip"),
    "float": ({}, numpy.float32, "<i4", "pixels are floats"),
    "double": ({}, numpy.float64, "<f4", "64-bit floats"),
}


@pytest.mark.parametrize("how, pixels, labels_type, notice", LAYOUTS.values(), ids=LAYOUTS)
def test_files_of_h5py_train_like_imported_ones(tiny, tmp_path, how, pixels, labels_type, notice):
    images, labels = made_up(320, seed=len("train"))
    (tmp_path / "own").mkdir()
    write(tmp_path / "own/part.h5", images[..., None].astype(pixels), labels.astype(labels_type), **how)
    done = succeed("inspect", tmp_path / "own", "--verify")
    assert (notice is None and done.stderr == "") or notice in done.stderr
    assert done.stderr.count("\n") <= 1
    found = answer("inspect", tmp_path / "own")
    assert [row["images"] for row in found["classes"]] == numpy.bincount(labels).tolist()
    losses = []
    for data in (tiny / "train", tmp_path / "own"):
        run = tmp_path / f"run-{data.name}"
        done = succeed("train", "--net", tiny / "tiny.net", "--data", data, "--run", run, "--batch", 32, "--steps", 5,
                       "--log-every", 1, "--seed", 3, "--threads", 1)
        assert notice is None or data == tiny / "train" or notice in done.stderr
        losses.append([line.split('"loss":')[1].split(",")[0] for line in open(run / "metrics.jsonl")])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 5


def test_caffes_layout(tiny, tmp_path):
    images, labels = made_up(40, seed=1)
    (tmp_path / "own").mkdir()
    with h5py.File(tmp_path / "own/part.h5", "w") as file:
        file["data"] = images[:, None].astype(numpy.float32)
        file["label"] = labels[:, None].astype(numpy.float32)
    found = answer("inspect", tmp_path / "own")
    assert found["image"] == [12, 12, 1] and found["dtype"] == "fp32" and found["samples"] == 40


def test_inspect_shows_class_names_in_any_encoding(tiny, tmp_path):
    images, labels = made_up(40, seed=1)
    write(tmp_path / "a.h5", images.astype(numpy.uint8), labels)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["classes"] = numpy.array([b"caf\xe9", b"b", b"c", b"d"])
    found = answer("inspect", tmp_path / "a.h5")
    assert [row["name"] for row in found["classes"]] == ["caf\ufffd", "b", "c", "d"]
    assert answer("inspect", tmp_path / "a.h5", "--verify")["compared"] is False
    assert answer("inspect", tiny / "train", "--verify")["compared"] is True
    assert "compared" not in answer("inspect", tiny / "train")


def test_inspect_counts_only_classes_that_are_there(tmp_path):
    """What a file claims must not decide how much memory is taken, nor how long the answer is."""
    images, _ = made_up(4, seed=1)
    path = tmp_path / "a.h5"
    write(path, images.astype(numpy.uint8), [7, 2_000_000_000, 7, 0])
    found = answer("inspect", path)
    assert found["classes"] == [{"name": "0", "images": 1}, {"name": "7", "images": 2},
                                {"name": "2000000000", "images": 1}]
    lines = succeed("inspect", path).stdout.splitlines()
    assert [line.split()[0] for line in lines[-4:]] == ["class", "0", "7", "2000000000"]
    for claimed in (2**61, 2**31, -1):
        with h5py.File(path, "r+") as file:
            file.attrs["class_count"] = claimed
        (line,) = error_lines(convoy("inspect", path))
        assert f"{path}: says it has {claimed} classes" in line
    with h5py.File(path, "r+") as file:
        file.attrs["class_count"] = 2**31 - 1
    assert len(answer("inspect", path)["classes"]) == 3


def test_what_no_layout_makes_sense_of(tmp_path):
    images, labels = made_up(40, seed=1)
    images = images.astype(numpy.uint8)
    for bad_images, bad_labels, says in ((images.astype(numpy.int16), labels, "16-bit signed"),
                                         (images.astype("S3"), labels, "not uint8 or floats"),
                                         (images, labels + 0.5, "no whole number"),
                                         (images, numpy.eye(4)[labels], "40x4"),
                                         (images, labels[:30], "40 images and 30 labels")):
        write(tmp_path / "a.h5", bad_images, bad_labels)
        (line,) = error_lines(convoy("inspect", tmp_path / "a.h5"))
        assert str(tmp_path / "a.h5") in line and says in line


def test_a_truncated_foreign_file_is_no_dataset(tmp_path):
    images, labels = made_up(40, seed=1)
    path = tmp_path / "a.h5"
    write(path, images.astype(numpy.uint8), labels, chunks=(5, 12, 12), compression="gzip")
    path.write_bytes(path.read_bytes()[:-500])
    (line,) = error_lines(convoy("inspect", path))
    assert str(path) in line and "cut short" in line
    assert convoy("inspect", path).returncode != OK


def test_reading_past_the_page_cache_changes_no_result(tmp_path):
    images, labels = numpy.random.default_rng(1).integers(0, 256, (64, 160, 160)), numpy.arange(64) % 4
    # More than 16 KiB each: smaller ones are held in memory.
    succeed("import", "idx", *write_pair(tmp_path / "idx", images.astype(numpy.uint8), labels), "--out", tmp_path / "data")
    (tmp_path / "a.net").write_text("input 160x160x1\nmaxpool F=10 S=10\nfc K=4\nloss softmax\n")
    losses = []
    for direct in ("off", "on"):
        run = tmp_path / direct
        done = succeed("train", "--net", tmp_path / "a.net", "--data", tmp_path / "data", "--run", run, "--batch", 16,
                       "--steps", 6, "--log-every", 1, "--threads", 1, "--direct", direct)
        assert direct == "on" or "page cache" not in done.stderr
        losses.append([line.split('"loss":')[1].split(",")[0] for line in open(run / "metrics.jsonl")])
    assert losses[0] == losses[1] and len(losses[0]) == 6
