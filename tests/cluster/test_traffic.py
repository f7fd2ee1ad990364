"""What an exchange sends from host to host, counted on the wire: the reason for summing inside the nodes first."""

import pytest

from cluster import run_over_hosts

BYTES, EXCHANGES = 8_000_000, 3  # --rounds 2, and the first that does not count


@pytest.mark.parametrize("algorithm, share", [
    # Each worker sends its part of the sums, a quarter, to both workers of the other host, and before that a quarter of its
    # gradients to each: over both workers twice the gradients.
    ("flat", 2.0),
    # A host sums first: its two workers send half of their halves there and the other half's sums back.
    ("hierarchical", 1.0), ("hierarchical-bf16", 0.5)])
def test_bytes_that_cross(cluster, tmp_path, algorithm, share):
    hosts = cluster(2)
    before = hosts.bytes_sent("node0")
    run_over_hosts(hosts, (2, 2), tmp_path, ["bench", "exchange", "--bytes", BYTES, "--rounds", 2, "--algorithms", algorithm])
    sent = (hosts.bytes_sent("node0") - before) / (EXCHANGES * BYTES)
    # TCP's headers and acknowledgements take up to a tenth, starting and ending the run some 100 kB.
    assert share <= sent <= 1.1 * share + 0.05
