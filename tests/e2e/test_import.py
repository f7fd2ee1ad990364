"""What `convoy import` makes of each kind of source, in each encoding."""

import gzip
import re
import tarfile

import h5py
import numpy
import pytest

from idx import write_pair
from pictures import class_files, classes_of, jpegs, pixels_of, png, samples_of, shards_of, tar, write_files
from program import STORAGE, answer, convoy, succeed

FILES = class_files()


def expected(each=7, classes=3, shape=(16, 16)):
    return [(pixels_of(k * each + i, *shape).tobytes(), k) for k in range(classes) for i in range(each)]


@pytest.fixture
def folder(tmp_path):
    return write_files(tmp_path / "train", FILES)


def test_a_folder_of_class_folders(folder, tmp_path):
    said = answer("import", "folder", folder, "--out", tmp_path / "out", "--shuffle", "off")
    assert (said["samples"], said["image"], said["classes"], said["skipped"]) == (21, [16, 16, 3], 3, 0)
    assert samples_of(tmp_path / "out") == expected()
    assert classes_of(tmp_path / "out") == ["cat", "dog", "emu"]
    succeed("inspect", tmp_path / "out", "--verify")


def test_class_folders_are_shuffled_by_the_seed_over_all_shards(folder, tmp_path):
    orders = []
    for seed in (1, 2):
        succeed("import", "folder", folder, "--out", tmp_path / f"{seed}", "--seed", seed, "--shards", 3)
        orders.append(samples_of(tmp_path / f"{seed}"))
    assert orders[0] != orders[1] != expected()
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(expected())
    labels = [label for _, label in orders[0]]
    assert len(set(labels[:7])) > 1, "the first shard holds one class"


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("prefix", ["", "./", "set/train/", "d" * 180 + "/"], ids=["plain", "dot", "deep", "long"])
def test_a_tar_of_class_folders(tmp_path, format, prefix):
    (tmp_path / "a.tar").write_bytes(tar(FILES, prefix, format))
    succeed("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected()
    assert classes_of(tmp_path / "out") == ["cat", "dog", "emu"]


def test_a_gzipped_tar_is_unpacked_beside_the_shards_and_leaves_nothing(tmp_path):
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar(FILES)))
    succeed("import", "tar", tmp_path / "a.tgz", "--out", tmp_path / "out", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shard-00000-of-00001.h5"]


def test_what_is_no_picture_is_left_out_and_told(tmp_path):
    others = {"cat/readme.txt": b"hello", "cat/._0.png": b"\0\5\x16\7", "list.txt": b"cat dog"}
    (tmp_path / "a.tar").write_bytes(tar({**FILES, **others}))
    write_files(tmp_path / "a", {**FILES, **others})
    for kind, source in (("tar", tmp_path / "a.tar"), ("folder", tmp_path / "a")):
        said = answer("import", kind, source, "--out", tmp_path / kind, "--shuffle", "off")
        assert said["samples"] == 21
        assert sum(group["count"] for group in said["left_out"]) == 3
        names = " ".join(name for group in said["left_out"] for name in group["names"])
        assert "readme.txt" in names and "._0.png" in names and "list.txt" in names
        assert samples_of(tmp_path / kind) == expected()


def test_a_member_that_comes_twice_counts_once(tmp_path):
    content = tar({"cat/0.png": b"an older one"})[:1536] + tar(FILES)  # without its end, as `tar --append` has it
    (tmp_path / "a.tar").write_bytes(content)
    said = answer("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected() and said["left_out"][0]["count"] == 1


def test_links_in_a_tar(tmp_path):
    def link(kind, name, target):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        return member.tobuf()

    links = link(tarfile.LNKTYPE, "emu/8.png", "./cat/0.png") + link(tarfile.SYMTYPE, "emu/9.png", "../cat/0.png")
    links += link(tarfile.LNKTYPE, "dog/9.png", "gone.png")
    files = tar(FILES).rstrip(b"\0")
    (tmp_path / "a.tar").write_bytes(files + bytes(-len(files) % 512) + links + bytes(1024))
    said = answer("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected() + [(pixels_of(0).tobytes(), 2)]
    [group] = said["left_out"]
    assert group["count"] == 2 and "link" in group["reason"] and group["names"] == ["emu/9.png", "dog/9.png"]


def test_like_named_members_of_two_tars_all_count(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({"cat/0.png": png(pixels_of(0)), "cat/1.png": png(pixels_of(1))}))
    (tmp_path / "b.tar").write_bytes(tar({"cat/0.png": png(pixels_of(2))}))
    said = answer("import", "tar", tmp_path / "a.tar", tmp_path / "b.tar", "--out", tmp_path / "out", "--shuffle", "off")
    assert said["samples"] == 3 and not said["left_out"]
    assert [image for image, _ in samples_of(tmp_path / "out")] == [pixels_of(i).tobytes() for i in (0, 2, 1)]


def test_two_parts_in_a_tar_must_be_chosen_from(tmp_path):
    both = {**{f"x/train/{k}": v for k, v in FILES.items()}, "x/test/cat/9.png": png(pixels_of(99))}
    (tmp_path / "a.tar").write_bytes(tar(both))
    done = convoy("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out")
    assert done.returncode == 2 and "--part" in done.stderr and not (tmp_path / "out").exists()
    succeed("import", "tar", tmp_path / "a.tar", "--out", tmp_path / "out", "--part", "train", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected()


def test_the_list_of_classes_gives_the_order(folder, tmp_path):
    (tmp_path / "synset.txt").write_text("emu a large bird\ncat felis, a pet\nyak an ox\ndog a friend\n")
    said = answer("import", "folder", folder, "--out", tmp_path / "out", "--shuffle", "off", "--classes",
                  tmp_path / "synset.txt")
    assert (said["classes"], said["unseen_classes"]) == (4, 1)
    assert classes_of(tmp_path / "out") == ["emu", "cat", "yak", "dog"]
    assert [label for _, label in samples_of(tmp_path / "out")] == [0] * 7 + [1] * 7 + [3] * 7
    done = convoy("import", "folder", folder, "--out", tmp_path / "no", "--classes", "cat,dog")
    assert done.returncode == 3 and "emu" in done.stderr and "--classes" in done.stderr


def imagenet_train():
    return {f"{name}.tar": tar({f"{name}_{i}.JPEG": FILES[f"{name}/{i}.png"] for i in range(7)})
            for name in ("cat", "dog", "emu")}


def test_imagenets_tar_of_tars(tmp_path):
    (tmp_path / "train.tar").write_bytes(tar(imagenet_train()))
    succeed("import", "imagenet", tmp_path / "train.tar", "--out", tmp_path / "out", "--shuffle", "off")
    assert samples_of(tmp_path / "out") == expected()
    assert classes_of(tmp_path / "out") == ["cat", "dog", "emu"]


def test_imagenets_validation_pictures(tmp_path):
    pictures = {f"val_{i:03}.JPEG": png(pixels_of(i)) for i in range(6)}
    (tmp_path / "val.tar").write_bytes(tar(dict(reversed(pictures.items()))))
    names, numbers = ["dog", "cat", "dog", "emu", "cat", "cat"], [3, 2, 3, 1, 2, 2]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "numbers.txt").write_text("".join(f"{n}\n" for n in numbers))
    (tmp_path / "classes.txt").write_text("emu\ncat x\ndog y\n")

    def run(labels, *more):
        out = tmp_path / f"out-{labels}{len(more)}"
        succeed("import", "imagenet", tmp_path / "val.tar", "--labels", tmp_path / labels, "--out", out, *more)
        by_picture = dict(samples_of(out))
        return [by_picture[pixels_of(i).tobytes()] for i in range(6)]

    assert run("names.txt") == [1, 0, 1, 2, 0, 0]
    assert run("names.txt", "--classes", tmp_path / "classes.txt") == [2, 1, 2, 0, 1, 1]
    assert run("numbers.txt", "--classes", tmp_path / "classes.txt") == [2, 1, 2, 0, 1, 1]

    for content, code, says in (("1\n2\n", 3, "2 labels for 6 pictures"), ("9\n" * 6, 3, "line 1 is 9.*1 to 3"),
                                ("a b\n" * 6, 3, "line 1"),
                                ("cat\n" * 3 + "zebra\n" * 3, 3, "bad.txt: line 4 is .zebra.*none of the 3")):
        (tmp_path / "bad.txt").write_text(content)
        done = convoy("import", "imagenet", tmp_path / "val.tar", "--labels", tmp_path / "bad.txt", "--classes",
                      tmp_path / "classes.txt", "--out", tmp_path / "bad")
        assert done.returncode == code and re.search(says, done.stderr), done.stderr
    done = convoy("import", "imagenet", tmp_path / "val.tar", "--labels", tmp_path / "numbers.txt", "--out", tmp_path / "b")
    assert done.returncode == 2 and "--classes" in done.stderr
    done = convoy("import", "imagenet", tmp_path / "val.tar", "--out", tmp_path / "b")
    assert done.returncode == 2 and "--labels" in done.stderr


def cifar_records(numbers, hundred=False):
    """Planar records as published; labels are number % 10, and coarse number % 20 before fine number % 100."""
    records = b""
    for n in numbers:
        labels = bytes([n % 20, n % 100]) if hundred else bytes([n % 10])
        records += labels + pixels_of(n, 32, 32).transpose(2, 0, 1).tobytes()
    return records


def cifar_samples(numbers, classes=10):
    return [(pixels_of(n, 32, 32).tobytes(), n % classes) for n in numbers]


def test_cifar_10(tmp_path):
    files = {"data_batch_1.bin": cifar_records(range(5)), "data_batch_2.bin": cifar_records(range(5, 12)),
             "test_batch.bin": cifar_records(range(50, 53)), "readme.html": b"<html>",
             "batches.meta.txt": "\n".join(f"class{i}" for i in range(10)).encode() + b"\n\n"}
    folder = write_files(tmp_path / "cifar-10-batches-bin", files)
    (tmp_path / "cifar.tar.gz").write_bytes(gzip.compress(tar(files, "cifar-10-batches-bin/")))
    sources = {"folder": [folder], "tar": [tmp_path / "cifar.tar.gz"],
               "files": [folder / "data_batch_1.bin", folder / "data_batch_2.bin"]}
    for name, source in sources.items():
        said = answer("import", "cifar", *source, "--out", tmp_path / name)
        assert (said["samples"], said["image"], said["classes"]) == (12, [32, 32, 3], 10)
        assert samples_of(tmp_path / name) == cifar_samples(range(12))
        assert classes_of(tmp_path / name)[3] == "class3"
    succeed("import", "cifar", tmp_path / "cifar.tar.gz", "--part", "test", "--out", tmp_path / "test")
    assert samples_of(tmp_path / "test") == cifar_samples(range(50, 53))


def test_cifar_100(tmp_path):
    folder = write_files(tmp_path / "cifar-100-binary", {
        "train.bin": cifar_records(range(30), hundred=True), "test.bin": cifar_records(range(3), hundred=True),
        "fine_label_names.txt": "".join(f"fine{i}\n" for i in range(100)).encode(),
        "coarse_label_names.txt": "".join(f"coarse{i}\n" for i in range(20)).encode()})
    succeed("import", "cifar", folder, "--out", tmp_path / "fine")
    assert samples_of(tmp_path / "fine") == cifar_samples(range(30), 100)
    assert classes_of(tmp_path / "fine")[99] == "fine99"
    succeed("import", "cifar", folder, "--out", tmp_path / "coarse", "--labels", "coarse")
    assert samples_of(tmp_path / "coarse") == cifar_samples(range(30), 20)
    assert len(classes_of(tmp_path / "coarse")) == 20


def test_other_contents_of_the_same_size_are_another_import(tmp_path):
    """In the last image, and in one amid some MiB."""
    batch = tmp_path / "data_batch_1.bin"
    succeed("import", "idx", *write_pair(tmp_path / "idx", numpy.zeros((9, 2, 2)), numpy.zeros(9, int)), "--out",
            tmp_path / "set", "--shards", 1)
    [shard] = (tmp_path / "set").glob("*.h5")
    many = list(range(1000))
    for name, kind, path, before, after in (
            ("last", "cifar", batch, [0, 1, 2, 3], lambda: batch.write_bytes(cifar_records([0, 1, 2, 4]))),
            ("amid", "cifar", batch, many, lambda: batch.write_bytes(cifar_records(many[:500] + [7] + many[501:]))),
            ("hdf5", "hdf5", shard, [0], lambda: overwrite_image(shard))):
        batch.write_bytes(cifar_records(before))
        arguments = ["import", kind, path, "--out", tmp_path / f"out-{name}"]
        succeed(*arguments)
        assert answer(*arguments)["shards_kept"] == 1
        size = path.stat().st_size
        after()
        assert path.stat().st_size == size
        done = convoy(*arguments)
        assert done.returncode == STORAGE and "another dataset" in done.stderr


def overwrite_image(shard):
    with h5py.File(shard, "r+") as file:
        file["images"][8] = 7


def test_jpeg_shards_keep_the_files_as_they_are(tmp_path):
    files = {f"cat/{i}.jpg": content for i, content in enumerate(jpegs(tmp_path, 5))}
    files["dog/really-a-png.JPEG"] = png(pixels_of(1, 20, 30))
    folder = write_files(tmp_path / "train", files)
    said = answer("import", "folder", folder, "--out", tmp_path / "out", "--encoding", "jpeg", "--shuffle", "off")
    assert (said["encoding"], said["image"]) == ("jpeg", [0, 0, 3])
    with h5py.File(tmp_path / "out/shard-00000-of-00001.h5") as file:
        content, offsets = file["bytes"][...].tobytes(), file["offsets"][...]
        assert [content[a:b] for a, b in zip(offsets, offsets[1:])] == list(files.values())
        assert file["labels"][...].tolist() == [0] * 5 + [1]
    succeed("inspect", tmp_path / "out")


def test_sizes(tmp_path):
    folder = write_files(tmp_path / "train", {"a/wide.png": png(pixels_of(1, 40, 60)), "a/high.png": png(pixels_of(2, 90, 30))})
    done = convoy("import", "folder", folder, "--out", tmp_path / "none", "--shuffle", "off")
    assert done.returncode == 2 and "wide.png" in done.stderr and "40x60" in done.stderr and "--size" in done.stderr
    for size, image in (("24", [24, 24, 3]), ("20x10", [20, 10, 3])):
        said = answer("import", "folder", folder, "--out", tmp_path / size, "--size", size)
        assert (said["samples"], said["image"]) == (2, image)
    said = answer("import", "folder", folder, "--out", tmp_path / "grey", "--size", "24", "--channels", "1")
    assert said["image"] == [24, 24, 1]
    said = answer("import", "folder", folder, "--out", tmp_path / "jpeg", "--size", "24", "--encoding", "jpeg")
    assert said["image"] == [0, 0, 3] and said["samples"] == 2
    succeed("inspect", tmp_path / "jpeg")


def test_raw_pixels_agree_with_another_decoder_after_resizing(tmp_path, test_data):
    Image = pytest.importorskip("PIL.Image")
    source = test_data("imagenet-sample/train")
    paths = sorted(source.glob("*/*.JPEG"))
    succeed("import", "folder", source, "--out", tmp_path / "out", "--size", "64", "--shuffle", "off", "--shards", 2)
    for path, (image, _) in zip(paths, samples_of(tmp_path / "out"), strict=True):
        other = Image.open(path).convert("RGB")
        width, height = other.size
        short = min(width, height)
        other = other.resize((width * 64 // short, height * 64 // short), Image.BILINEAR)
        left, top = round((other.width - 64) / 2), round((other.height - 64) / 2)
        other = numpy.asarray(other.crop((left, top, left + 64, top + 64)), float)
        mine = numpy.frombuffer(image, numpy.uint8).reshape(64, 64, 3)
        # The bound; what shrinks in the DCT first is what differs at all.
        assert abs(mine - other).mean() < 2, path


def test_imagenet_files_as_they_are(tmp_path, test_data):
    source = test_data("imagenet-sample/train")
    said = answer("import", "folder", source, "--out", tmp_path / "out", "--encoding", "jpeg", "--shuffle", "off",
                  "--classes", source.parent / "synset.txt")
    assert (said["samples"], said["classes"], said["unseen_classes"]) == (100, 1000, 900)
    with h5py.File(tmp_path / "out/shard-00000-of-00001.h5") as file:
        content, offsets, labels = file["bytes"][...].tobytes(), file["offsets"][...], file["labels"][...]
    paths = sorted(source.glob("*/*.JPEG"))
    assert [content[a:b] for a, b in zip(offsets, offsets[1:])] == [path.read_bytes() for path in paths]
    assert labels.tolist() == list(range(0, 1000, 10))  # every tenth class


def test_cifar_as_50000_jpegs(tmp_path, test_data):
    said = answer("import", "tar", test_data("cifar10-jpeg/train.tar.gz"), "--out", tmp_path / "out")
    assert (said["samples"], said["image"], said["classes"]) == (50000, [32, 32, 3], 10)
    assert said["mean"] == pytest.approx([125.3, 123.0, 113.9], abs=0.2)  # CIFAR-10's own, of the lossless pictures


def test_hdf5_again_with_other_options(folder, tmp_path):
    succeed("import", "folder", folder, "--out", tmp_path / "first", "--shards", 3)
    succeed("import", "hdf5", tmp_path / "first", "--out", tmp_path / "second", "--shards", 2)
    assert samples_of(tmp_path / "first") == samples_of(tmp_path / "second")
    assert classes_of(tmp_path / "second") == ["cat", "dog", "emu"]
    said = answer("import", "hdf5", tmp_path / "first", "--out", tmp_path / "third", "--size", "8", "--encoding", "jpeg")
    assert said["image"] == [8, 8, 3] and said["classes"] == 3


def test_two_workers_make_the_same_bytes(folder, tmp_path):
    (folder / "dog/broken.png").write_bytes(b"")
    arguments = ["import", "folder", folder, "--shards", 5, "--on-error", "skip", "--encoding", "jpeg"]
    one = answer(*arguments, "--out", tmp_path / "one")
    two = answer(*arguments, "--out", tmp_path / "two", workers=2)
    assert shards_of(tmp_path / "one") == shards_of(tmp_path / "two")
    assert len(shards_of(tmp_path / "one")) == 6  # and skipped.txt
    assert (one["samples"], one["skipped"], one["mean"]) == (two["samples"], two["skipped"], two["mean"]) == (21, 1, one["mean"])


def test_two_workers_and_a_gzipped_tar(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar(FILES)))
    succeed("import", "tar", tmp_path / "a.tar.gz", "--out", tmp_path / "out", "--shards", 2, "--shuffle", "off", workers=2)
    assert samples_of(tmp_path / "out") == expected()
    assert len(list((tmp_path / "out").iterdir())) == 2
