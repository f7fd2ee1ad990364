"""`convoy bench input`: every stage is there and tells rates; what it measured leaves nothing behind."""

import pytest

from program import DATA, USAGE, answer, convoy, succeed

QUICK = ("--seconds", 0, "--rounds", 1, "--threads", 2, "--batch", 8)


def check(found, limit, stages):
    assert [stage["name"] for stage in found["stages"]] == stages
    assert found["limit"]["name"] == limit
    one = found["stored_bytes"] / found["images"]
    for stage in [found["limit"], *found["stages"]]:
        assert stage["images_per_second"] > 0 and stage["of_limit"] > 0
        assert stage["bytes_per_second"] == pytest.approx(stage["images_per_second"] * one)


@pytest.mark.parametrize("order", ["random", "file"])
def test_raw_stages_of_a_dataset(tiny, order):
    found = answer("bench", "input", "--data", tiny / "train", "--order", order, "--crop", 10, *QUICK)
    check(found, "copy", ["read", "read+check", "read+check+float"])
    assert found["images"] == 320 and found["image"] == [12, 12, 1] and found["order"] == order
    assert found["stored_bytes"] == 320 * 144 and found["threads"] == 2 and found["held_in_memory"]


def test_made_up_images_leave_nothing_behind(tmp_path):
    raw = answer("bench", "input", "--made-up", "64x48x3", "--images", 40, *QUICK, environment={"TMPDIR": str(tmp_path)})
    check(raw, "copy", ["read", "read+check", "read+check+float"])
    assert raw["image"] == [64, 48, 3] and raw["images"] == 40
    packed = answer("bench", "input", "--made-up", "64x48x3", "--images", 40, "--encoding", "jpeg", *QUICK,
                    environment={"TMPDIR": str(tmp_path)})
    check(packed, "decode", ["read", "read+check", "read+check+decode"])
    assert packed["stored_bytes"] < raw["stored_bytes"]
    assert not list(tmp_path.iterdir())


def test_direct_reads_or_says_why_not(tmp_path):
    done = succeed("bench", "input", "--made-up", "64x48x3", "--images", 40, "--direct", "on", *QUICK,
                   environment={"TMPDIR": str(tmp_path)})
    assert done.stderr == "" or "past the page cache" in done.stderr


def test_the_table_for_people(tiny):
    lines = succeed("bench", "input", "--data", tiny / "train", *QUICK).stdout.splitlines()
    assert lines[0].startswith("320 images 12x12x1, raw, ") and "2 threads, batch 8, random order" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["stage", "copy", "read", "read+check", "read+check+float"]


@pytest.mark.parametrize("flags, code, says", [
    ((), USAGE, "--made-up"), (("--made-up", "12x12"), USAGE, "HxWxC"), (("--made-up", "0x1x1"), USAGE, "HxWxC"),
    (("--made-up", "8x8x3", "--images", "4", "--crop", "9"), USAGE, "crop 9"),
    (("--made-up", "8x8x2", "--images", "4", "--encoding", "jpeg"), USAGE, "1 or 3 channels"),
    (("--data", "nowhere"), DATA, "nowhere")])
def test_wrong_usage(flags, code, says):
    done = convoy("bench", "input", *flags, *QUICK)
    assert done.returncode == code and says in done.stderr and done.stderr.count("\n") == 1
