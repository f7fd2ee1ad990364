"""launchers/bundle: what it makes works in another folder, from the bundle's own libraries and glibc alone."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from program import BINARY, OK, PREEMPTED, REPOSITORY, USAGE, alive, losses, steps, succeed

# Nothing of the build machine's settings; as root on one machine the bundle needs none of Open MPI's either.
BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1"}
GLIBC = re.compile(r"/(ld-linux-x86-64|lib(c|m|mvec|pthread|rt|dl|resolv|util|anl|nss_\w+))\.so\.\d+$")


def run(*words, **environment):
    return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=240, env={**BARE, **environment})


def make(*options):
    return run(REPOSITORY / "launchers/bundle", "--build", BINARY.parent, *options)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The bundle of the tested build, moved after it was made."""
    made = tmp_path_factory.mktemp("made") / "convoy"
    done = make("--out", made)
    assert done.returncode == OK, done.stderr
    moved = tmp_path_factory.mktemp("moved") / "some where"
    shutil.move(made, moved)
    return moved


def libraries(pid):
    """What the process has mapped to run: paths of shared libraries."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split(maxsplit=5)[5] for line in maps if ".so" in line and " r-xp " in line}


def foreign(pid, bundle):
    return [path for path in libraries(pid) if not path.startswith(f"{bundle}/") and not GLIBC.search(path)]


def wait_for(condition, launcher, log):
    end = time.monotonic() + 120
    while not condition():
        assert launcher.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def workers_of(bundle):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "exe") == str(bundle / "libexec/convoy") and alive(entry.name):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def test_two_workers_train_stop_and_go_on(bundle, tiny_train, tmp_path):
    arguments = tiny_train("run", steps=10_000_000)
    log = tmp_path / "log"
    with log.open("w") as out:
        launcher = subprocess.Popen([bundle / "bin/mpirun", "-np", "2", "--bind-to", "none", bundle / "bin/convoy", *arguments],
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=BARE)
    try:
        wait_for(lambda: len(workers_of(bundle)) == 2 and len(steps(tmp_path / "run")) > 8, launcher, log)
        workers = workers_of(bundle)
        for pid in (launcher.pid, *workers):
            assert any("/libpmix.so" in path for path in libraries(pid))
            assert foreign(pid, bundle) == []
        os.kill(workers[0], signal.SIGTERM)
        assert launcher.wait(60) == PREEMPTED, log.read_text()
    finally:
        launcher.kill()
        for pid in workers_of(bundle):
            os.kill(pid, signal.SIGKILL)
    last = len(steps(tmp_path / "run")) + 10
    done = run(bundle / "launchers/local", "-n", 2, "--", *tiny_train("run", steps=last), "--resume")
    assert done.returncode == OK, done.stderr
    succeed(*tiny_train("reference", steps=last), workers=2)
    assert losses(tmp_path / "run") == losses(tmp_path / "reference")


def test_the_program_by_itself(bundle):
    assert run(bundle / "bin/convoy", "--version").stdout == succeed("--version").stdout
    done = run(bundle / "bin/convoy", "net", bundle / "experiments/nets/lenet.net")
    assert done.returncode == OK and "431,080" in done.stdout


def test_a_link_to_it_will_do(bundle, tmp_path):
    (tmp_path / "linked").symlink_to(bundle / "bin/convoy")
    assert run(tmp_path / "linked", "--version").returncode == OK


def test_too_old_a_glibc_is_named(bundle, tmp_path):
    shutil.copytree(bundle / "bin", tmp_path / "bin")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/glibc-needed").write_text("2.999\n")
    done = run(tmp_path / "bin/convoy", "--version")
    assert done.returncode == USAGE
    assert re.fullmatch(r"convoy: this bundle needs glibc 2\.999 or newer, here is 2\.\d+; .*\n", done.stderr)


def test_cuda_is_found_in_python_packages_first(bundle, tmp_path):
    site, venv = tmp_path / "site", tmp_path / "venv"
    for place, name in ((site / "nvidia/cu13/lib", "libcublasLt.so.13"), (site / "nvidia/cusparse/lib", "libcusparse.so.12"),
                        (venv / "lib/python3.12/site-packages/nvidia/nccl/lib", "libnccl.so.2"),
                        (tmp_path / "toolkit/lib64", "libcudart.so.13")):
        place.mkdir(parents=True)
        (place / name).touch()
    done = run(bundle / "launchers/cuda-libraries", PYTHONPATH=str(site), VIRTUAL_ENV=str(venv),
               CUDA_HOME=str(tmp_path / "toolkit"))
    found = [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert found == [str(site / "nvidia/cu13/lib"), str(venv / "lib/python3.12/site-packages/nvidia/nccl/lib"),
                     str(tmp_path / "toolkit/lib64")]


@pytest.mark.parametrize("options, says", [
    (["--with", "no-such"], r"no-such; build it"),
    (["--out", "x.tar.gz"], r"must end in \.tar\.xz"),
    (["--out", "/tmp"], r"/tmp is there already"),
    (["--with"], r"--with needs a value"),
])
def test_what_cannot_be_made_is_one_line(options, says):
    done = make(*options)
    assert done.returncode == USAGE and re.search(says, done.stderr) and done.stderr.count("\n") == 1, done.stderr
