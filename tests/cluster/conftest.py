"""Separate hosts for the tests, and the made-up dataset of the end-to-end tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "e2e")]

from cluster import HOSTS, Cluster  # noqa: E402
from program import BINARY  # noqa: E402
from tiny_data import tiny, tiny_train  # noqa: E402, F401


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing; tests/run builds it, or set CONVOY_BINARY", returncode=1)


def reason_against_hosts():
    if os.geteuid() != 0:
        return "separate hosts on one machine need root"
    tried = subprocess.run([HOSTS, "up", "1", "--owner", str(os.getpid())], capture_output=True, text=True)
    if tried.returncode != 0:
        return "no network namespaces here: " + (tried.stderr.strip().splitlines() or ["?"])[-1]
    subprocess.run([HOSTS, "down", tried.stdout.strip()], check=True)
    return ""


@pytest.fixture(scope="session")
def hosts_possible():
    reason = reason_against_hosts()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def cluster(hosts_possible):
    """A function: that many hosts, taken down after the test. None may still run anything by then."""
    standing = []

    def up(count):
        standing.append(Cluster(count))
        return standing[-1]

    yield up
    left = [line for hosts in standing for line in hosts.processes()]
    for hosts in standing:
        hosts.down()
    assert left == []
