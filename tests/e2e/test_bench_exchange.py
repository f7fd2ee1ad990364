"""`convoy bench allreduce` and `convoy bench exchange` between workers."""

import pytest

from program import USAGE, answer, convoy, succeed

ON_ONE_NODE = ["mpi", "mpi-pieces", "flat", "flat-bf16", "hierarchical"]
SMALL = ("--min-bytes", 1024, "--max-bytes", 1 << 20, "--factor", 32, "--rounds", 1, "--seconds", 0)


@pytest.mark.parametrize("workers, drawn, algorithms", [
    (2, 0, ON_ONE_NODE), (3, 0, ON_ONE_NODE), (4, 2, [*ON_ONE_NODE, "hierarchical-bf16"]),
    (3, 2, [*ON_ONE_NODE, "hierarchical-bf16"])])
def test_every_algorithm_sums(workers, drawn, algorithms):
    found = answer("bench", "allreduce", *SMALL, "--ranks-per-node", drawn, workers=workers)
    assert found["workers"] == workers
    assert [row["algorithm"] for row in found["rows"]] == 3 * algorithms
    assert sorted({row["bytes"] for row in found["rows"]}) == [1 << 10, 1 << 15, 1 << 20]
    for row in found["rows"]:
        assert row["wrong"] == 0, row
        assert row["algorithm_bandwidth"] == pytest.approx(row["bytes"] / row["seconds"])
        # What nccl-tests calls bus bandwidth: each worker sends and receives all but its own part, twice.
        assert row["bus_bandwidth"] == pytest.approx(row["algorithm_bandwidth"] * 2 * (workers - 1) / workers)


def test_the_table_has_the_columns_of_nccl_tests():
    lines = succeed("bench", "allreduce", *SMALL, "--algorithms", "flat,mpi", workers=2).stdout.splitlines()
    assert lines[0] == "2 workers on 1 node"
    title = lines[1].split()
    assert title == "size B count type redop time us algbw GB/s busbw GB/s #wrong algorithm".split()
    assert [line.split()[-1] for line in lines[2:]] == 3 * ["flat", "mpi"]
    assert lines[2].split()[:4] == ["1024", "256", "float", "sum"]


@pytest.mark.parametrize("drawn", [0, 2])
def test_whole_exchanges(drawn):
    found = answer("bench", "exchange", "--bytes", 3_000_000, "--bucket-bytes", 1 << 20, "--rounds", 1, "--ranks-per-node",
                   drawn, workers=4)
    assert found["topology"] == ("4 workers on 2 nodes" if drawn else "4 workers on 1 node")
    assert [row["algorithm"] for row in found["rows"]] == [*ON_ONE_NODE, *(["hierarchical-bf16"] if drawn else [])]
    assert all(row["seconds"] > 0 for row in found["rows"])


@pytest.mark.parametrize("bench", ["allreduce", "exchange"])
def test_wrong_questions_get_one_line(bench):
    alone = convoy("bench", bench)
    assert alone.returncode == USAGE
    assert alone.stderr.splitlines() == [
        f"convoy: bench {bench}: there is one worker, which has nobody to sum with; start several: mpirun -np 4 convoy bench "
        f"{bench}"]
    unknown = convoy("bench", bench, "--algorithms", "ring", workers=2)
    assert unknown.returncode == USAGE
    assert sum("algorithms: ring is not one of mpi, " in line for line in unknown.stderr.splitlines()) == 1
