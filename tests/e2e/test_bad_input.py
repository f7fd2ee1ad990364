"""Whatever is wrong with what a user hands in: one line that names it and the remedy, the documented exit code, nothing
overwritten, all workers gone."""

import gzip
import re

import h5py
import pytest

from idx import idx, made_up, write_pair
from program import DATA, OK, STORAGE, USAGE, checkpoints, convoy, succeed
from tiny_data import shard


def error_line(done, code):
    """The one error line; mpirun's own chatter around it is not Convoy's."""
    assert done.returncode == code, f"exit code {done.returncode}, not {code}\n{done.stderr}"
    lines = [line for line in done.stderr.splitlines() if line.startswith("convoy: ")]
    assert len(lines) == 1, done.stderr
    assert done.stdout == ""
    return lines[0]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def pair(tmp_path):
    return write_pair(tmp_path / "idx", *made_up(40, seed=1), packed=True)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def not_gzip(path):
    path.write_bytes(b"<html>404 Not Found</html>")


def wrong_magic(path):
    path.write_bytes(gzip.compress(b"\x7fELF" + bytes(100)))


def floats(path):
    path.write_bytes(gzip.compress(idx(made_up(10, seed=1)[0], kind=0x0D)))


def fewer(path):
    path.write_bytes(gzip.compress(idx(made_up(39, seed=1)["labels" in path.name])))


def too_short(path):
    array = made_up(40, seed=1)["labels" in path.name]
    path.write_bytes(gzip.compress(idx(array, dimensions=(array.shape[0] + 2, *array.shape[1:]))))


def empty(path):
    path.write_bytes(b"")


def folder(path):
    path.unlink()
    path.mkdir()


IDX_DAMAGE = {
    "missing": (lambda path: path.unlink(), "No such file|not there|does not exist|missing"),
    "truncated": (cut, "truncated|cut short|ends early|damaged|incomplete"),
    "flipped": (flip, "damaged|corrupt"),
    "not-gzip": (not_gzip, "gzip|IDX"),
    "wrong-magic": (wrong_magic, "magic.*7f ?45 ?4c ?46|7f454c46"),
    "floats": (floats, "float|0x0d|unsigned byte"),
    "fewer": (fewer, "39.*40|40.*39"),
    "too-short": (too_short, "[0-9,]+.*[0-9,]+"),
    "empty": (empty, "empty|0 bytes|IDX"),
    "folder": (folder, "folder|directory"),
}


@pytest.mark.parametrize("which", [0, 1], ids=["images", "labels"])
@pytest.mark.parametrize("damage, says", IDX_DAMAGE.values(), ids=IDX_DAMAGE)
def test_a_damaged_idx_file(pair, tmp_path, damage, says, which):
    damage(pair[which])
    line = error_line(convoy("import", "idx", *pair, "--out", tmp_path / "out"), DATA)
    assert str(pair[which]) in line
    assert re.search(says, line), line
    assert ";" in line, "no remedy: " + line
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_swapped_idx_files(pair, tmp_path):
    line = error_line(convoy("import", "idx", *reversed(pair), "--out", tmp_path / "out"), DATA)
    assert str(pair[1]) in line


def test_import_does_not_overwrite_a_dataset(pair, tmp_path):
    succeed("import", "idx", *pair, "--out", tmp_path / "out")
    before = contents(tmp_path / "out")
    line = error_line(convoy("import", "idx", *pair, "--out", tmp_path / "out", "--shards", "2"), STORAGE)
    assert str(tmp_path / "out") in line
    assert contents(tmp_path / "out") == before
    # The same import again has nothing to do.
    assert "1 of 1 shards were there already" in succeed("import", "idx", *pair, "--out", tmp_path / "out").stderr
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_flipped_byte_in_an_image(tiny_train, copied, tmp_path, workers):
    path = shard(copied, 1)
    with h5py.File(path, "r") as file:
        offset = file["images"].id.get_offset() + 7 * 144  # image 7 of 12x12x1
    content = bytearray(path.read_bytes())
    content[offset + 50] ^= 4
    path.write_bytes(content)
    line = error_line(convoy(*tiny_train("run", data=copied), workers=workers, timeout=60), DATA)
    assert str(path) in line and re.search(r"image 7\b", line) and str(offset) in line.replace(",", "")
    line = error_line(convoy("inspect", copied, "--verify"), DATA)
    assert str(path) in line and re.search(r"image 7\b", line)


def label_out_of_range(path):
    with h5py.File(path, "r+") as file:
        file["labels"][3] = -1


def cut_shard(path):
    path.write_bytes(path.read_bytes()[:5000])


def no_hdf5(path):
    path.write_text("hello")


SHARD_DAMAGE = {
    "label": (label_out_of_range, "label"),
    "cut": (cut_shard, "truncated|damaged|cut"),
    "no-hdf5": (no_hdf5, "HDF5"),
    "missing": (lambda path: path.unlink(), "shard"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("damage, says", SHARD_DAMAGE.values(), ids=SHARD_DAMAGE)
def test_a_damaged_shard(tiny_train, copied, tmp_path, damage, says, workers):
    damage(shard(copied, 1))
    line = error_line(convoy(*tiny_train("run", data=copied), workers=workers, timeout=60), DATA)
    assert re.search(says, line), line
    assert str(copied) in line


def test_a_label_the_net_has_no_output_for(tiny, tiny_train, tmp_path):
    (tmp_path / "three.net").write_text((tiny / "tiny.net").read_text().replace("fc K=4", "fc K=3"))
    done = convoy(*tiny_train("run", net=tmp_path / "three.net"))
    assert done.returncode in (USAGE, DATA)
    assert re.search(r"\b3\b.*\b4\b|\b4\b.*\b3\b", done.stderr)


NETS = {
    "fractional": ("input 7x7x3\nmaxpool F=3 S=3\nfc K=4\nloss softmax\n", r":2:\d+: .*\(7 - 3 \+ 2\*0\)/3 \+ 1 = 2\.33"),
    "too-large": ("input 5x5x1\nconv K=4 F=7\nfc K=4\nloss softmax\n", r":2:\d+: .*7.*5"),
    "kind": ("input 5x5x1\nconvv K=4 F=3\nfc K=4\nloss softmax\n", r":2:1: .*convv.*conv\b"),
    "key": ("input 5x5x1\nconv K=4 FF=3\nfc K=4\nloss softmax\n", r":2:10: .*FF.*\bF\b"),
    "value": ("input 5x5x1\nconv K=four F=3\nfc K=4\nloss softmax\n", r":2:\d+: .*four"),
    "missing-key": ("input 5x5x1\nconv K=4\nfc K=4\nloss softmax\n", r":2:\d+: .*\bF\b"),
    "label": ("input 5x5x1\nconv K=4 F=3 from=nowhere\nfc K=4\nloss softmax\n", r":2:\d+: .*nowhere"),
    "empty": ("", "input"),
}


@pytest.mark.parametrize("text, says", NETS.values(), ids=NETS)
def test_a_net_that_does_not_fit(tmp_path, text, says):
    path = tmp_path / "bad.net"
    path.write_text(text)
    line = error_line(convoy("net", path), USAGE)
    assert str(path) in line
    assert re.search(says, line), line


def test_a_net_for_other_images(tiny, tiny_train, tmp_path):
    (tmp_path / "large.net").write_text((tiny / "tiny.net").read_text().replace("12x12x1", "28x28x1"))
    done = convoy(*tiny_train("run", net=tmp_path / "large.net"), workers=2, timeout=60)
    line = error_line(done, USAGE if done.returncode == USAGE else DATA)
    assert "28x28x1" in line and "12x12x1" in line


def test_a_net_for_colour_and_grey_images(tiny_train, tmp_path):
    (tmp_path / "rgb.net").write_text("input 12x12x3\nfc K=4\nloss softmax\n")
    done = convoy(*tiny_train("run", net=tmp_path / "rgb.net"))
    assert done.returncode == USAGE
    assert "write `input 12x12x1`, or import the pictures with `--channels 3`" in done.stderr


USAGES = {
    "unknown-command": (["trian"], "trian.*train"),
    "unknown-flag": (["train", "--learning-rte", "0.1"], "learning-rte.*learning-rate"),
    "no-value": (["train", "--batch"], "batch"),
    "not-a-number": (["train", "--batch", "many"], "batch.*many"),
    "out-of-range": (["train", "--batch", "0"], "batch.*0"),
    "no-end": (["train", "--epochs", "1e300"], "epochs.*1e300"),
    "not-on-or-off": (["train", "--exact", "maybe"], "exact.*maybe.*on"),
    "unknown-choice": (["train", "--optimizer", "momentun"], "momentun.*momentum"),
    "unknown-transform": (["train", "--net", "n", "--data", "d", "--run", "r", "--steps", "1", "--augment", "flop"],
                          "augment.*flop.*flip"),
    "two-recipes": (["train", "a.cfg", "b.cfg"], "b.cfg"),
    "missing-recipe": (["train", "nowhere.cfg"], "nowhere.cfg"),
    "no-net": (["train", "--run", "r", "--steps", "1"], "net"),
    "missing-net": (["net", "nowhere.net"], "nowhere.net"),
    "import-what": (["import", "idxx", "a", "b", "--out", "c"], "idxx.*idx"),
}


@pytest.mark.parametrize("arguments, says", USAGES.values(), ids=USAGES)
def test_wrong_usage(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = error_line(convoy(*arguments), USAGE)
    assert re.search(says, line), line
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_in_a_recipe(tiny_train, tmp_path):
    (tmp_path / "bad.cfg").write_text("batch = 64\n\nlerning-rate = 0.1  # oops\n")
    arguments = tiny_train("run")
    for workers in (1, 2):
        done = convoy(arguments[0], tmp_path / "bad.cfg", *arguments[1:], workers=workers, timeout=60)
        line = error_line(done, USAGE)
        assert f"{tmp_path}/bad.cfg:3" in line and "lerning-rate" in line and '"learning-rate"' in line.replace("'", '"')
    assert not (tmp_path / "run").exists()


MISSING = {"data": "nowhere", "net": "nowhere.net", "init": "nowhere.h5", "eval-data": "nowhere"}


@pytest.mark.parametrize("key", MISSING)
def test_a_missing_file(tiny_train, tmp_path, key):
    path = tmp_path / MISSING[key]
    line = error_line(convoy(*tiny_train("run", **{key.replace("-", "_"): path})), USAGE if key == "net" else DATA)
    assert str(path) in line


def test_classes_numbered_otherwise_in_eval_data(tiny_train, pair, tmp_path):
    for part, names in (("train", "a,b,c,d"), ("eval", "a,c,b,d")):
        succeed("import", "idx", *pair, "--out", tmp_path / part, "--classes", names)
    done = convoy(*tiny_train("run", data=tmp_path / "train", eval_data=tmp_path / "eval"))
    assert done.returncode == USAGE
    assert "class 1 is 'c', in" in done.stderr and "it is 'b'; import both with the same --classes" in done.stderr


def test_classes_numbered_otherwise_in_a_later_evaluation(tiny_train, pair, tmp_path):
    for part, names in (("train", "a,b,c,d"), ("other", "a,c,b,d")):
        succeed("import", "idx", *pair, "--out", tmp_path / part, "--classes", names)
    succeed(*tiny_train("run", data=tmp_path / "train", steps=1))
    checkpoint = checkpoints(tmp_path / "run")[-1]
    line = error_line(convoy("eval", "--checkpoint", checkpoint, "--data", tmp_path / "other"), USAGE)
    assert f"data {tmp_path}/other: class 1 is 'c', in {checkpoint}'s training data it is 'b'; import both" in line
    succeed("eval", "--checkpoint", checkpoint, "--data", tmp_path / "train")
    assert "classes: a b c d" in succeed("inspect", checkpoint).stdout


def test_exact_with_a_batch_that_does_not_fit_the_lanes(tiny_train):
    line = error_line(convoy(*tiny_train("run", batch=36, exact="on")), USAGE)
    assert "36" in line and "8" in line


def test_a_loss_that_is_no_longer_finite(tiny_train, tmp_path):
    done = convoy(*tiny_train("run", learning_rate=1e9, steps=500), workers=2, timeout=60)
    line = error_line(done, 5)
    assert "learning-rate" in line
