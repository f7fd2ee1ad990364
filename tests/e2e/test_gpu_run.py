"""tests/gpu/run, rehearsed without a GPU: its checks run with --backend cpu, in small."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from program import BINARY, ENVIRONMENT, REPOSITORY, USAGE

SCRIPT = REPOSITORY / "tests/gpu/run"
sys.path.insert(0, str(REPOSITORY / "tests/gpu"))

from tools import Failed, Tools  # noqa: E402


@pytest.fixture
def rehearse(tmp_path):
    """A function: the exit code, the result and the output of checks that have one of the words in their names."""

    def run(*only, build=BINARY.parent, budget=300, environment=None):
        words = [word for name in only for word in ("--only", name)]
        done = subprocess.run([SCRIPT, "--rehearse", "cpu", "--build", build, "--out", tmp_path, "--budget", str(budget), *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                              env={**ENVIRONMENT, **(environment or {})})
        assert done.stderr == ""
        result = json.loads((tmp_path / "gpu-rehearsal.json").read_text())
        assert len(done.stdout.splitlines()) == len(result["checks"]) + 1
        return done.returncode, result, done.stdout

    return run


def outcomes(result):
    return {check["name"]: check["outcome"] for check in result["checks"]}


@pytest.fixture
def build(tmp_path):
    """A function: a build folder whose `convoy` is a shell script before the real one."""

    def make(script):
        folder = tmp_path / "build"
        folder.mkdir()
        (folder / "convoy").write_text(f'#!/bin/bash\n{script}\nexec "{BINARY}" "$@"\n')
        (folder / "convoy").chmod(0o755)
        return folder

    return make


def test_all_that_needs_no_gpu_passes(rehearse):
    code, result, output = rehearse("steps of lenet", "steps of cifar10-full", "bits twice", "recorded steps", "2 workers", "killed", "speed of lenet")
    assert code == 0, output
    assert list(outcomes(result).values()) == ["passed"] * 7, output
    assert result["made_by"] == "tests/gpu/run" and result["commit"] and result["date"] and result["convoy"]
    assert {"driver's CUDA", "CUDA runtime", "cuDNN", "NCCL"} <= result["versions"].keys()
    by_name = {check["name"]: check for check in result["checks"]}
    assert by_name["steps of lenet"]["figures"]["losses"] <= 1e-4 and by_name["steps of lenet"]["seconds"] > 0
    assert by_name["speed of lenet"]["figures"]["rows"][0]["images_per_second"] > 0


def test_a_failing_check_is_told_and_the_others_go_on(rehearse, build):
    """A program whose "GPU" learns a little faster than the CPU."""
    folder = build('case "$*" in *gpu-------*) set -- "$@" --learning-rate 0.02 ;; esac')
    code, result, output = rehearse("steps of lenet", "killed", build=folder)
    assert code == 1
    assert outcomes(result) == {"steps of lenet": "failed", "killed and resumed": "passed"}, output
    assert "losses differ by" in output and "first in step 2:" in output


def test_a_program_that_fails_is_quoted(rehearse, build):
    folder = build('case "$*" in *--resume*) echo "no such luck" >&2; exit 3 ;; esac')
    code, result, output = rehearse("killed", build=folder)
    assert code == 1 and "exited with 3: no such luck" in output


def test_what_does_not_fit_the_budget_is_skipped(rehearse):
    code, result, output = rehearse("steps of lenet", "killed", budget=1)
    assert code == 0
    assert set(outcomes(result).values()) == {"skipped"}
    assert "takes about 15 s, and " in output


@pytest.mark.parametrize("broken", [False, True])
def test_the_unit_tests_report_is_read(rehearse, build, broken):
    """GoogleTest's own report, of another test program in the place of test_gpu."""
    folder = build("")
    program = BINARY.with_name("test_core")
    if not program.exists():
        pytest.skip(f"there is no {program}")
    (folder / "test_gpu").write_text(f'#!/bin/bash\n"{program}" "$@" || exit\n' + (
        'sed -i \'0,/"classname"/s//"failures": [{"failure": "made up"}], "classname"/\' "${1#*json:}"\nexit 1\n' if broken else ""))
    (folder / "test_gpu").chmod(0o755)
    code, result, output = rehearse("unit", build=folder, environment={"GTEST_FILTER": "*ExactSum*"})
    assert code == int(broken), output
    assert ("1 of " in output) == broken and (" passed, 0 skipped" in output) != broken


def test_a_check_ends_at_its_limit(tmp_path):
    tools = Tools(root=REPOSITORY, build=BINARY.parent, folder=tmp_path, rehearse="cpu")
    tools.begin("endless", 1.2)
    with pytest.raises(Failed, match="was not done when the check's 1 s were over"):
        tools.run(["bash", "-c", "sleep 60 & wait"])


def test_without_a_gpu_it_says_so(tmp_path):
    if shutil.which("nvidia-smi") or os.path.exists("/usr/local/nvidia/bin/nvidia-smi"):
        pytest.skip("there may be a GPU here")
    done = subprocess.run([SCRIPT, "--build", BINARY.parent, "--out", tmp_path], capture_output=True, text=True)
    assert done.returncode == USAGE and done.stderr == "tests/gpu/run: there is no GPU here: there is no nvidia-smi\n"
    assert list(tmp_path.iterdir()) == []
