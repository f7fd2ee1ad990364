"""What goes wrong while importing: one line that tells what and where, nothing half-written taken for whole, and the same
command goes on."""

import gzip
import os
import re
import resource
import signal
import subprocess
import time

import numpy
import pytest

from idx import write_pair
from pictures import class_files, jpegs, pixels_of, png, samples_of, shards_of, tar, write_files
from program import DATA, ENVIRONMENT, OK, PREEMPTED, STORAGE, USAGE, answer, command, convoy, succeed
from test_bad_input import error_line
from test_bad_run_folder import small_disk  # noqa: F401
from test_import import FILES, cifar_records, cifar_samples, expected, imagenet_train

GOOD = png(pixels_of(3))
BROKEN = {
    "zero-bytes": (b"", "empty"),
    "html": (b"<!DOCTYPE html><html>404 not found</html>", "HTML"),
    "cut-png": (GOOD[:len(GOOD) // 2], "damaged PNG"),
    "noise": (bytes(range(7, 200)), "no JPEG or PNG"),
}


@pytest.mark.parametrize("content, says", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_broken_picture_stops_or_is_skipped(tmp_path, kind, content, says):
    files = {**FILES, "dog/3.png": content}
    (tmp_path / "a.tar").write_bytes(tar(files))
    source = {"folder": write_files(tmp_path / "a", files), "tar": tmp_path / "a.tar"}[kind]
    arguments = ["import", kind, source, "--out", tmp_path / "out", "--shuffle", "off", "--shards", 3]
    line = error_line(convoy(*arguments), DATA)
    assert str(source) in line and "dog/3.png" in line and re.search(says, line) and "--on-error skip" in line
    assert "from the start, into another folder" in line  # the shards that are there belong to the broken source
    assert kind == "folder" or re.search(r" at byte \d+", line)

    said = answer(*arguments, "--on-error", "skip")  # goes on with the shard that was whole
    assert (said["samples"], said["skipped"], said["shards_kept"]) == (20, 1, 1)
    assert said["skipped_for"][0]["count"] == 1 and "dog/3.png" in said["skipped_for"][0]["names"][0]
    [row] = (tmp_path / "out/skipped.txt").read_text().splitlines()
    name, reason = row.split("\t")
    assert "dog/3.png" in name and re.search(says, reason)
    assert samples_of(tmp_path / "out") == [s for i, s in enumerate(expected()) if i != 10]
    succeed("inspect", tmp_path / "out", "--verify")


def test_what_another_dataset_skipped_is_not_told_again(tmp_path):
    out = tmp_path / "out"
    broken = write_files(tmp_path / "a", {**FILES, "dog/3.png": b"", "emu/1.png": b""})
    arguments = ["--out", out, "--shuffle", "off", "--on-error", "skip", "--shards", 3]
    assert answer("import", "folder", broken, *arguments)["skipped"] == 2
    for path in out.glob("*.h5"):
        path.unlink()
    (out / ".skipped-1.txt").write_text("x\tbroken\n")  # of an import that was killed
    assert answer("import", "folder", write_files(tmp_path / "b", FILES), *arguments)["skipped"] == 0
    assert not (out / "skipped.txt").exists() and not list(out.glob(".skipped*"))


def test_a_broken_jpeg(tmp_path):
    content = jpegs(tmp_path, 3, size=64)
    folder = write_files(tmp_path / "a", {"x/0.jpg": content[0], "x/1.jpg": content[1][:-300], "x/2.jpg": content[2]})
    line = error_line(convoy("import", "folder", folder, "--out", tmp_path / "out"), DATA)
    assert "x/1.jpg" in line and "damaged JPEG" in line
    assert answer("import", "folder", folder, "--out", tmp_path / "out", "--on-error", "skip")["samples"] == 2


def test_reasons_that_differ_in_numbers_are_one_group(tmp_path):
    files = {**FILES, **{f"cat/{i}.png": GOOD[:40 + i] for i in range(5)}, "dog/1.png": b""}
    done = succeed("import", "folder", write_files(tmp_path / "a", files), "--out", tmp_path / "out", "--on-error", "skip")
    assert len(re.findall(r"^  skipped 5: ", done.stdout, re.M)) == 1, done.stdout
    assert len(re.findall(r"^  skipped 1: .*empty", done.stdout, re.M)) == 1, done.stdout
    assert len((tmp_path / "out/skipped.txt").read_text().splitlines()) == 6


def test_nothing_but_broken_pictures(tmp_path):
    folder = write_files(tmp_path / "a", {"x/0.jpg": b"", "x/1.jpg": b"hello"})
    line = error_line(convoy("import", "folder", folder, "--out", tmp_path / "out", "--size", 8, "--on-error", "skip"), DATA)
    assert "none" in line and "skipped.txt" in line


def test_options_that_do_not_fit_cifar(tmp_path):
    (tmp_path / "data_batch_1.bin").write_bytes(cifar_records(range(3)))
    for options in (["--part", "valid"], ["--labels", "coarse"], ["--labels", "x"], ["--classes", "a,b"]):
        line = error_line(convoy("import", "cifar", tmp_path / "data_batch_1.bin", "--out", tmp_path / "o", *options), USAGE)
        assert options[0] in line


def test_no_pictures_at_all(tmp_path):
    for number, files in enumerate(({"readme.txt": b"x"}, {"a/readme.txt": b"x"}, {"flat.jpg": GOOD})):
        folder = write_files(tmp_path / f"{number}", files)
        line = error_line(convoy("import", "folder", folder, "--out", tmp_path / "out"), DATA)
        assert str(folder) in line and "no pictures" in line
        assert not (tmp_path / "out").exists()


def test_a_folder_one_level_too_high(tmp_path):
    folder = write_files(tmp_path / "data", {"train/cat/0.png": GOOD, "train/dog/0.png": GOOD})
    line = error_line(convoy("import", "folder", folder, "--out", tmp_path / "out"), DATA)
    assert f"{folder}/train may hold the class folders" in line


def test_a_label_out_of_range(tmp_path):
    content = bytearray(cifar_records(range(10)))
    content[4 * 3073] = 10
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    arguments = ["import", "cifar", tmp_path / "data_batch_1.bin", "--out", tmp_path / "out"]
    line = error_line(convoy(*arguments), DATA)
    assert "record 4" in line and f"byte {4 * 3073}" in line and "label 10" in line and "0 to 9" in line
    assert answer(*arguments, "--on-error", "skip")["samples"] == 9
    assert samples_of(tmp_path / "out") == cifar_samples([n for n in range(10) if n != 4])

    (tmp_path / "data_batch_1.bin").write_bytes(content[:-1])
    assert "whole number of records" in error_line(convoy(*arguments), DATA)


@pytest.mark.parametrize("kept", [0.3, 0.55, 0.8, 0.999])
def test_a_truncated_tar(tmp_path, kept):
    content = tar(FILES).rstrip(b"\0")
    content = content[:int(len(content) * kept)]
    (tmp_path / "a.tar").write_bytes(content)
    arguments = ["import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out", "--shuffle", "off"]
    line = error_line(convoy(*arguments), DATA)
    assert str(tmp_path / "a.tar") in line and "cut short" in line and "--on-error skip" in line
    assert re.search(r"(cat|dog|emu)/\d.png", line) and re.search(r"byte \d+", line)
    assert not (tmp_path / "out").exists()
    said = answer(*arguments, "--on-error", "skip")
    assert 0 < said["samples"] < 21 and "cut short" in said["damage"][0]
    assert samples_of(tmp_path / "out") == expected()[:said["samples"]]
    name, reason = (tmp_path / "out/skipped.txt").read_text().strip().split("\t")
    assert name == str(tmp_path / "a.tar") and "cut short" in reason


def test_a_tar_cut_between_two_members_is_noticed(tmp_path):
    content = tar(FILES).rstrip(b"\0")
    (tmp_path / "a.tar").write_bytes(content + bytes(-len(content) % 512))  # all there but the mark of the end
    line = error_line(convoy("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out"), DATA)
    assert "cut short" in line


def test_truncated_tars_of_imagenet(tmp_path):
    nested = imagenet_train()
    nested["dog.tar"] = nested["dog.tar"].rstrip(b"\0")[:3000]
    nested["emu.tar"] = b""
    (tmp_path / "nested.tar").write_bytes(tar(nested))
    arguments = ["import", "imagenet", tmp_path / "nested.tar", "--out", tmp_path / "out", "--shuffle", "off"]
    line = error_line(convoy(*arguments), DATA)
    assert "dog.tar" in line and "1 more" in line
    said = answer(*arguments, "--on-error", "skip")
    assert 7 < said["samples"] < 14 and len(said["damage"]) == 2 and "emu.tar" in said["damage"][1]

    outer = tar(imagenet_train()).rstrip(b"\0")
    (tmp_path / "outer.tar").write_bytes(outer[:len(outer) * 2 // 3])
    line = error_line(convoy("import", "imagenet", tmp_path / "outer.tar", "--out", tmp_path / "other"), DATA)
    assert "outer.tar" in line and "cut short" in line


def test_a_truncated_tar_of_validation_has_no_labels(tmp_path):
    """Labels go by the sorted names of all pictures: with some missing, the others would get wrong ones."""
    pictures = {f"val_{i:03}.JPEG": png(pixels_of(i)) for i in range(6)}
    content = tar(dict(reversed(pictures.items()))).rstrip(b"\0")
    (tmp_path / "val.tar").write_bytes(content[:len(content) * 2 // 3])
    (tmp_path / "labels.txt").write_text("cat\ndog\ncat\nemu\ndog\nemu\n")
    arguments = ["import", "imagenet", tmp_path / "val.tar", "--labels", tmp_path / "labels.txt", "--out",
                 tmp_path / "out"]
    for more in ([], ["--on-error", "skip"]):
        line = error_line(convoy(*arguments, *more), DATA)
        assert "val.tar" in line and "cut short" in line and "fetch it again" in line and "skip" not in line
        assert "6 labels for" in line and not (tmp_path / "out").exists()


def test_damaged_gzip_leaves_nothing(tmp_path):
    content = gzip.compress(tar(FILES))
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 8
    for damaged in (content[:-100], bytes(flipped), b"\x1f\x8bhello"):
        (tmp_path / "a.tar.gz").write_bytes(damaged)
        line = error_line(convoy("import", "tar", tmp_path / "a.tar.gz", "--out", tmp_path / "out"), DATA)
        assert "a.tar.gz" in line and "gzip" in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"hello", bytes(2000), b"", GOOD], ids=["text", "zeros", "empty", "png"])
def test_no_tar(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    for kind in ("tar", "imagenet"):
        line = error_line(convoy("import", kind, tmp_path / "a.tar", "--out", tmp_path / "out"), DATA)
        assert "a.tar" in line


def test_another_dataset_is_not_overwritten(tmp_path):
    folder = write_files(tmp_path / "a", FILES)
    succeed("import", "folder", folder, "--out", tmp_path / "out", "--shards", 2)
    before = shards_of(tmp_path / "out")
    for changed in (["--shards", 3], ["--shards", 2, "--seed", 5], ["--shards", 2, "--size", 8]):
        line = error_line(convoy("import", "folder", folder, "--out", tmp_path / "out", *changed), STORAGE)
        assert str(tmp_path / "out") in line and "another dataset" in line
    with (folder / "dog/3.png").open("ab") as file:
        file.write(b"\0")  # another size tells another file
    error_line(convoy("import", "folder", folder, "--out", tmp_path / "out", "--shards", 2), STORAGE)
    assert shards_of(tmp_path / "out") == before


@pytest.fixture
def slow(tmp_path):
    """Arguments of an import of 20 shards that takes seconds, and what it makes undisturbed."""
    images = numpy.random.default_rng(5).integers(0, 256, (4000, 20, 20))
    pair = write_pair(tmp_path / "idx", images, numpy.arange(4000) % 7)
    arguments = ["import", "idx", *pair, "--shards", 20, "--size", 160, "--encoding", "jpeg", "--threads", 1]
    succeed(*arguments, "--out", tmp_path / "undisturbed")
    return arguments, shards_of(tmp_path / "undisturbed")


def start(arguments, workers=1):
    return subprocess.Popen(command(arguments, workers), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True)


def wait_for_shards(out, count, running):
    end = time.monotonic() + 60
    while len(list(out.glob("shard-*.h5"))) < count:
        assert running.poll() is None and time.monotonic() < end, running.communicate()
        time.sleep(0.01)


def test_killed_and_again(slow, tmp_path):
    arguments, undisturbed = slow
    out = tmp_path / "out"
    for count in (1, 5, 11):
        running = start([*arguments, "--out", out])
        wait_for_shards(out, count, running)
        running.kill()
        running.communicate()
        if count == 5:
            line = error_line(convoy("inspect", out), DATA)
            assert "missing" in line
    done = succeed(*arguments, "--out", out)
    kept = re.search(r"(\d+) of 20 shards were there already", done.stderr)
    assert 11 <= int(kept[1]) < 20
    assert shards_of(out) == undisturbed


def test_two_workers_killed_and_one_goes_on(slow, tmp_path):
    arguments, undisturbed = slow
    running = start([*arguments, "--out", tmp_path / "out"], workers=2)
    wait_for_shards(tmp_path / "out", 4, running)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    deadline = time.monotonic() + 30  # mpirun's workers notice that it is gone by themselves
    while (done := convoy(*arguments, "--out", tmp_path / "out")).returncode == STORAGE and time.monotonic() < deadline:
        time.sleep(0.2)
    assert done.returncode == OK, done.stderr
    assert shards_of(tmp_path / "out") == undisturbed


def test_asked_to_stop(slow, tmp_path):
    arguments, undisturbed = slow
    running = start([*arguments, "--out", tmp_path / "out"])
    wait_for_shards(tmp_path / "out", 2, running)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate()
    assert running.returncode == PREEMPTED and "goes on" in said
    assert all(name.startswith("shard-") for name in shards_of(tmp_path / "out")), "something hidden was left"
    succeed(*arguments, "--out", tmp_path / "out")
    assert shards_of(tmp_path / "out") == undisturbed


def test_two_imports_into_one_folder(slow, tmp_path):
    arguments, undisturbed = slow
    running = start([*arguments, "--out", tmp_path / "out"])
    wait_for_shards(tmp_path / "out", 1, running)
    line = error_line(convoy(*arguments, "--out", tmp_path / "out"), STORAGE)
    assert str(tmp_path / "out") in line and "another import" in line
    running.communicate()
    assert running.returncode == OK
    assert shards_of(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_a_full_disk(tmp_path, small_disk, encoding):  # noqa: F811
    folder = write_files(tmp_path / "a", class_files(encode=lambda number: png(pixels_of(number, 64, 64))))
    arguments = ["import", "folder", folder, "--shards", 7, "--encoding", encoding]
    disk = small_disk(200)
    line = error_line(convoy(*arguments, "--out", disk / "out"), STORAGE)
    assert str(disk / "out") in line and "No space left" in line
    left = shards_of(disk / "out")
    assert 0 < len(left) < 7
    succeed(*arguments, "--out", tmp_path / "other")
    whole = shards_of(tmp_path / "other")
    assert all(whole[name] == content for name, content in left.items())


def test_a_limit_on_file_sizes(tmp_path):
    folder = write_files(tmp_path / "a", class_files(encode=lambda number: png(pixels_of(number, 64, 64))))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar(FILES)))
    for source in (["folder", folder], ["folder", folder, "--encoding", "jpeg"], ["tar", tmp_path / "a.tar.gz"]):
        done = subprocess.run(command(["import", *source, "--out", tmp_path / "out"], 1), capture_output=True, text=True,
                              env=ENVIRONMENT,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
        line = error_line(done, STORAGE)
        assert str(tmp_path / "out") in line and "ulimit" in line
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_more_shards_than_files_may_be_open(tmp_path):
    """The program raises its limit as far as it may; a dataset that cannot be opened any more is not begun."""
    pair = write_pair(tmp_path / "idx", numpy.zeros((250, 1, 1)), numpy.zeros(250, int))

    def run(most):
        arguments = ["import", "idx", *pair, "--out", tmp_path / f"out-{most}", "--shards", 200]
        return subprocess.run(command(arguments, 1), capture_output=True, text=True, env=ENVIRONMENT,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, most)))

    line = error_line(run(250), USAGE)
    assert "200" in line and "250" in line and "--shards" in line and "ulimit -n" in line
    assert not (tmp_path / "out-250").exists()
    assert run(264).returncode == OK


@pytest.mark.parametrize("which", [0, 100], ids=["first", "second"])
def test_an_error_on_one_of_two_workers_ends_both(tmp_path, which):
    """The other worker is busy for longer than it takes to agree, and what it says of being stopped is not heard."""
    files = {f"x/{i:03}.png": GOOD for i in range(200)}
    files[f"x/{which:03}.png"] = b"<html>"
    folder = write_files(tmp_path / "a", files)
    arguments = ["import", "folder", folder, "--out", tmp_path / "out", "--shards", 2, "--shuffle", "off", "--size", 900,
                 "--encoding", "jpeg", "--threads", 1]
    done = convoy(*arguments, workers=2)
    lines = [line for line in done.stderr.splitlines() if "convoy: " in line]
    assert done.returncode == DATA and len(lines) == 1, done.stderr
    assert f"x/{which:03}.png" in lines[0] and "HTML" in lines[0]
    assert not (tmp_path / "out").exists(), "the other worker went on to the end of its shard"


@pytest.mark.parametrize("arguments, says", [
    (["folder"], "0 sources.*folder for each class"),
    (["folder", "nowhere"], "nowhere.*not there"),
    (["tarr", "x"], "tarr.*'tar'"),
    (["idx", "one"], "IMAGES LABELS"),
    (["imagenet", "a", "b"], "takes one file"),
    (["folder", "x", "--size", "0"], "--size 0"),
    (["folder", "x", "--size", "12x"], "--size 12x"),
    (["folder", "x", "--channels", "2"], "--channels 2"),
    (["folder", "x", "--quality", "80"], "--quality.*raw"),
    (["folder", "x", "--classes", "nowhere"], "--classes nowhere"),
    (["folder", "x", "--part", "train"], "--part train.*no parts"),
    (["tar", "x", "--labels", "y"], "--labels y.*own labels"),
])
def test_wrong_usage(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    done = convoy("import", *arguments, "--out", "out")
    assert done.returncode == (DATA if arguments[1:] == ["nowhere"] else USAGE)
    assert re.search(says, done.stderr) and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "out").exists()
