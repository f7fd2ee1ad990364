"""Augmentation through the program: the same bits at any number of workers, what is refused, ten crops, the mean picture."""

import json
import re
import zlib

import numpy
import pytest

from idx import made_up, write_pair
from pictures import class_files, pixels_of, png, write_files
from program import USAGE, answer, checkpoints, convoy, losses, parameters, rows, same_bits, succeed

CHAIN = "random-crop 12 padding=1, flip, shift 1, brightness 0.3, contrast 0.3, cutout 3"
LINEAR_NET = "input 12x12x1\nfc K=4\nloss softmax\n"


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """Made-up images of 16x16x1 and networks for 12x12x1."""
    folder = tmp_path_factory.mktemp("larger")
    for part, count, shards in (("train", 320, 3), ("test", 53, 2)):
        images, labels = made_up(count, seed=len(part))
        wide = numpy.asarray(images)
        wide = numpy.pad(wide, ((0, 0), (1, 3), (3, 1)), mode="reflect").astype(numpy.uint8)
        pair = write_pair(folder / f"{part}-idx", wide, labels)
        succeed("import", "idx", *pair, "--out", folder / part, "--shards", shards)
        numpy.save(folder / f"{part}.npy", wide)
        numpy.save(folder / f"{part}-labels.npy", numpy.asarray(labels))
    from tiny_data import TINY_NET
    (folder / "tiny.net").write_text(TINY_NET)
    (folder / "linear.net").write_text(LINEAR_NET)
    return folder


@pytest.fixture
def train(larger, tmp_path):
    """A function: the arguments of a run in tmp_path/NAME."""
    def arguments(name, **keys):
        usual = {"net": larger / "tiny.net", "data": larger / "train", "run": tmp_path / name, "batch": 32, "steps": 40,
                 "seed": 3, "optimizer": "momentum", "learning-rate": 0.02, "log-every": 1, "threads": 1,
                 "augment": CHAIN, "eval-augment": "centre-crop 12"}
        usual.update({key.replace("_", "-"): value for key, value in keys.items()})
        return ["train", *(str(word) for key, value in usual.items() for word in (f"--{key}", value))]
    return arguments


def error_line(done, code):
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("shuffle", ["on", "blocks"])
def test_bits_depend_on_neither_workers_nor_threads_nor_resume(train, tmp_path, shuffle):
    keys = {"exact": "on", "shuffle": shuffle, "shuffle-block": 8, "shuffle-window": 5}
    succeed(*train("alone", **keys))
    succeed(*train("two", **keys, input_threads=2), workers=2)
    succeed(*train("threads", **keys, input_threads=3, input_memory=1, threads=2))
    succeed(*train("resumed", **keys, steps=17))
    succeed(*train("resumed", **keys), "--resume", workers=2)
    whole = losses(tmp_path / "alone")
    assert len(set(whole)) == 40
    for other in ("two", "threads", "resumed"):
        assert losses(tmp_path / other) == whole, other
        assert same_bits(checkpoints(tmp_path / "alone")[-1], checkpoints(tmp_path / other)[-1]) == []


def test_what_is_drawn_depends_on_seed_and_chain(train, tmp_path):
    """Otherwise the comparison above could not fail."""
    runs = {"one": {}, "chain": {"augment": "random-crop 12"}, "order": {"shuffle": "blocks", "shuffle-block": 8}}
    for name, keys in runs.items():
        succeed(*train(name, steps=3, **keys))
    assert len({tuple(losses(tmp_path / name)) for name in runs}) == 3


def test_resume_refuses_another_chain_and_tells_of_another_evaluation(train, larger, tmp_path):
    succeed(*train("run", steps=5))
    for keys in ({"augment": "random-crop 12"}, {"shuffle": "blocks"}, {"seed": 4}):
        line = error_line(convoy(*train("run", **keys), "--resume"), USAGE)
        assert line.startswith(f"convoy: {next(iter(keys))}: "), line
    done = succeed(*train("run", steps=6, eval_augment="resize 12", eval_data=larger / "test"), "--resume")
    assert "eval-augment was centre-crop 12 and is resize 12 now" in done.stderr
    succeed(*train("blocks", steps=5, shuffle="blocks", shuffle_block=8))
    line = error_line(convoy(*train("blocks", shuffle="blocks", shuffle_block=9), "--resume"), USAGE)
    assert line.startswith("convoy: shuffle-blocks: ")


REFUSED = {
    "no-chain": ({"augment": "none"}, r"tiny.net: .*12x12x1.*16x16x1.*`augment = random-crop 12, flip`"),
    "no-eval-chain": ({"eval-augment": "none"}, r"12x12x1.*16x16x1.*`eval-augment = centre-crop 12`"),
    "another-size": ({"augment": "random-crop 14"}, r"14x14x1 after 'random-crop 14'; end augment with `random-crop 12`"),
    "too-large": ({"augment": "random-crop 20"}, r"augment: `random-crop 20` needs a larger picture than 16x16"),
    "unknown": ({"augment": "random-crop 12, flop"}, r"augment: `flop`.*'flip'"),
    "grey": ({"augment": "random-crop 12, pca-lighting"}, r"augment: `pca-lighting`: .*grey"),
    "eval-draws": ({"eval-augment": "random-crop 12"}, r"eval-augment: .*draws"),
    "little-memory": ({"input-memory": 1, "batch": 16384}, r"input-memory: 1.0 MiB do not hold"),
}


@pytest.mark.parametrize("keys, says", REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_written(train, larger, tmp_path, keys, says):
    line = error_line(convoy(*train("run", eval_data=larger / "test", **{k.replace("-", "_"): v for k, v in keys.items()})),
                      USAGE)
    assert re.search(says, line), line
    assert not (tmp_path / "run").exists()


def probabilities(checkpoint, pictures):
    """Of the linear network, for uint8 pictures (N,12,12), with pixels scaled by 1/255."""
    p = parameters(checkpoint)
    x = pictures.reshape(len(pictures), -1).astype(numpy.float64) / 255
    scores = x @ p["fc1/weight"].astype(numpy.float64).T + p["fc1/bias"].astype(numpy.float64)
    terms = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return terms / terms.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("chain", ["none", "centre-crop 12"])
def test_ten_crops_average_ten_predictions(train, larger, tmp_path, chain):
    succeed(*train("run", net=larger / "linear.net"))
    checkpoint = checkpoints(tmp_path / "run")[-1]
    images, labels = numpy.load(larger / "test.npy"), numpy.load(larger / "test-labels.npy")
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    crops = [images[:, y:y + 12, x:x + 12] for y, x in corners]
    mean = sum(probabilities(checkpoint, c) + probabilities(checkpoint, c[:, :, ::-1]) for c in crops) / 10
    expected = {"samples": 53, "loss": -numpy.log(mean[numpy.arange(53), labels]).mean(),
                "top1": (mean.argmax(axis=1) == labels).mean()}
    question = ("eval", "--checkpoint", checkpoint, "--data", larger / "test", "--eval-augment", chain)
    for workers in (1, 2):
        found = answer(*question, "--crops", 10, "--batch", 7, workers=workers)
        # Sums of 144 products in fp32.
        assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    centre = probabilities(checkpoint, crops[4])
    one = answer("eval", "--checkpoint", checkpoint, "--data", larger / "test")  # with the checkpoint's centre-crop
    assert one["loss"] == pytest.approx(-numpy.log(centre[numpy.arange(53), labels]).mean(), rel=1e-5)
    assert one["loss"] != pytest.approx(expected["loss"], rel=1e-4)


def test_ten_crops_need_larger_pictures(tiny, tiny_train, tmp_path):
    succeed(*tiny_train("run", steps=1))
    done = convoy("eval", "--checkpoint", checkpoints(tmp_path / "run")[-1], "--data", tiny / "test", "--crops", 10)
    assert "crops 10" in error_line(done, USAGE)


def test_the_mean_picture_is_kept_in_the_checkpoint(train, larger, tmp_path):
    succeed(*train("run", net=larger / "linear.net", mean="image", scale=1 / 64, eval_data=larger / "test",
                   augment="random-crop 12, flip"))
    checkpoint = checkpoints(tmp_path / "run")[-1]
    mean = numpy.load(larger / "train.npy").astype(numpy.float64).mean(axis=0)
    images, labels = numpy.load(larger / "test.npy"), numpy.load(larger / "test-labels.npy")
    centre = ((images - mean) * 255 / 64)[:, 2:14, 2:14]  # `probabilities` divides by 255
    expected = -numpy.log(probabilities(checkpoint, centre)[numpy.arange(53), labels]).mean()
    found = answer("eval", "--checkpoint", checkpoint, "--data", larger / "test")
    assert found["loss"] == pytest.approx(expected, rel=1e-4)  # the mean is kept in fp32
    assert rows(tmp_path / "run", "eval")[-1]["loss"] == found["loss"]
    line = error_line(convoy(*train("other", mean="image", augment="random-resized-crop 12")), USAGE)
    assert "mean image" in line and "resamples" in line


def png_pixels(data):
    """A grey PNG of 8 bits, by its definition."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        length, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
            assert body[8:] == bytes([8, 0, 0, 0, 0])
        if kind == b"IDAT":
            packed += body
        at += 12 + length
    lines = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, width + 1)
    out = numpy.zeros((height, width), numpy.int64)
    for y in range(height):
        line = lines[y, 1:].astype(numpy.int64)
        for x in range(width):
            left, up = (out[y, x - 1] if x else 0), (out[y - 1, x] if y else 0)
            corner = out[y - 1, x - 1] if x and y else 0
            guess = left + up - corner
            paeth = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            out[y, x] = (line[x] + (0, left, up, (left + up) // 2, paeth)[lines[y, 0]]) % 256
    return out


def test_inspect_shows_what_the_network_sees(larger, tmp_path):
    images = numpy.load(larger / "train.npy")
    (tmp_path / "r.cfg").write_text("seed = 9\nshuffle = on\naugment = centre-crop 12\n")
    done = succeed("inspect", larger / "train", "--sample", 5, "--augment", tmp_path / "r.cfg", "--out", tmp_path / "grid.png")
    samples = [int(word) for word in re.findall(r"sample (\d+)", done.stdout)]
    assert len(samples) == 5 and samples != list(range(5))
    grid = png_pixels((tmp_path / "grid.png").read_bytes())
    assert grid.shape == (2 * 12 + 2, 3 * 12 + 4)
    for i, sample in enumerate(samples):
        y, x = i // 3 * 14, i % 3 * 14
        assert (grid[y:y + 12, x:x + 12] == images[sample][2:14, 2:14]).all()
    succeed("inspect", larger / "train", "--sample", 3, "--augment", "flip 1", "--out", tmp_path / "grid.png")
    assert "--out" in error_line(convoy("inspect", larger / "train", "--sample", 3), USAGE)
    assert "--sample" in error_line(convoy("inspect", larger / "train", "--augment", "flip"), USAGE)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """Pictures of several sizes."""
    folder = tmp_path_factory.mktemp("encoded")
    files = class_files(each=50, encode=lambda number: png(pixels_of(number, 12 + number % 3, 13)))
    succeed("import", "folder", write_files(folder / "files", files), "--out", folder / "data", "--encoding", "jpeg")
    return folder / "data"


def shown(data, recipe, tmp_path):
    """The samples that inspect shows of a run with that recipe."""
    (tmp_path / "r.cfg").write_text(recipe)
    done = succeed("inspect", data, "--sample", 60, "--augment", tmp_path / "r.cfg", "--out", tmp_path / "grid.png")
    return re.findall(r"sample (\d+)", done.stdout)


def test_inspect_takes_encoded_pictures_in_the_order_of_a_run(encoded, tmp_path):
    (tmp_path / "a.net").write_text("input 12x12x3\nfc K=3\nloss softmax\n")
    done = succeed("train", "--net", tmp_path / "a.net", "--data", encoded, "--run", tmp_path / "run", "--batch", 10,
                   "--steps", 1, "--shuffle", "blocks", "--augment", "random-crop 12", "--threads", 1)
    assert "150 images of several sizes, 3 channels, 3 classes" in done.stderr
    block = int(re.search(r"shuffle blocks of (\d+) samples", done.stderr).group(1))
    assert block < 150
    order = shown(encoded, "shuffle = blocks\n", tmp_path)
    assert len(order) == 60 and order == shown(encoded, f"shuffle = blocks\nshuffle-block = {block}\n", tmp_path)
    assert order != shown(encoded, "shuffle = blocks\nshuffle-block = 150\n", tmp_path)


def test_inspect_names_the_picture_that_a_chain_cannot_take(encoded, tmp_path):
    question = ("inspect", encoded, "--sample", 5, "--out", tmp_path / "grid.png", "--augment")
    line = error_line(convoy(*question, "random-crop 40"), 3)
    assert re.search(r"\.h5: image \d+ at byte \d+: the picture is \d+x13 where `random-crop 40`", line), line
    for missing in (tmp_path / "no.cfg", "no.cfg", "recipes/alexnet"):
        line = error_line(convoy(*question, missing), USAGE)
        assert f"--augment {missing}: there is no such file" in line
    succeed(*question, "random-resized-crop 8 ratio=3/4..4/3")


def test_damage_met_while_training_is_named(train, larger, tmp_path):
    import h5py
    import shutil
    shutil.copytree(larger / "train", tmp_path / "data")
    shard = sorted((tmp_path / "data").glob("*.h5"))[1]
    with h5py.File(shard, "r") as file:
        offset = file["images"].id.get_offset()
    with shard.open("r+b") as file:
        file.seek(offset + 5 * 256 + 17)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))
    for workers in (1, 2):
        done = convoy(*train(f"run-{workers}", data=tmp_path / "data"), workers=workers)
        assert done.returncode == 3
        assert re.search(rf"{shard.name}: image 5 at byte {offset + 5 * 256}: .*damaged", done.stderr), done.stderr
    assert json.loads((tmp_path / "run-1/failure.json").read_text())


def test_jpegs_of_many_sizes_train_and_evaluate(test_data, tmp_path):
    """Decoded and resampled by any number of threads and workers: the same bits."""
    source = test_data("imagenet-sample")
    succeed("import", "folder", source / "train", "--out", tmp_path / "data", "--encoding", "jpeg", "--shards", 2)
    classes = len(list((source / "train").iterdir()))
    (tmp_path / "linear.net").write_text(f"input 24x20x3\nfc K={classes}\nloss softmax\n")
    usual = ["train", "--net", tmp_path / "linear.net", "--data", tmp_path / "data", "--batch", 16, "--steps", 8,
             "--optimizer", "sgd", "--learning-rate", 0.001, "--log-every", 1, "--exact", "on", "--lanes", 4,
             "--eval-data", tmp_path / "data", "--eval-augment", "resize 32, centre-crop 24x20"]
    chain = ["--augment", "random-resized-crop 24x20, flip, pca-lighting, saturation 0.4"]
    line = error_line(convoy(*usual, "--run", tmp_path / "run", "--augment", "none"), USAGE)
    assert re.search(r"24x20x3.*several sizes.*`augment = resize 27, random-crop 24x20, flip`", line), line
    for name, workers, threads in (("alone", 1, 1), ("two", 2, 2), ("three", 1, 3)):
        succeed(*usual, *chain, "--run", tmp_path / name, "--input-threads", threads, workers=workers)
        assert losses(tmp_path / name) == losses(tmp_path / "alone")
        assert same_bits(checkpoints(tmp_path / "alone")[-1], checkpoints(tmp_path / name)[-1]) == []
    last = rows(tmp_path / "alone", "eval")[-1]
    checkpoint = checkpoints(tmp_path / "alone")[-1]
    found = answer("eval", "--checkpoint", checkpoint, "--data", tmp_path / "data")
    assert found["loss"] == pytest.approx(last["loss"], rel=1e-6)  # 100 images at a time, not 4: fc sums in another order
    assert answer("eval", "--checkpoint", checkpoint, "--data", tmp_path / "data", "--crops", 10)["samples"] == 100
    line = error_line(convoy(*usual, "--augment", "random-crop 24x20, random-crop 20", "--run", tmp_path / "run"), USAGE)
    assert "20x20x3 after" in line
    done = convoy(*usual, "--augment", "random-crop 2000, resize 24x20", "--run", tmp_path / "run")
    assert done.returncode == 3
    assert re.search(r"\.h5: image \d+ at byte \d+: the picture is \d+x\d+ where `random-crop 2000`", done.stderr)
