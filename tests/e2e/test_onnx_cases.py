"""ONNX's own operator cases (Debian's libonnx-testdata) pass, and the program that runs them sees what is wrong."""

import shutil
import subprocess
from pathlib import Path

import pytest

from program import BINARY

PROGRAM = BINARY.parent / "tests/onnx_cases"
DATA = Path("/usr/share/libonnx-testdata/data")


@pytest.fixture(autouse=True)
def _there():
    if not PROGRAM.exists():
        pytest.skip(f"no {PROGRAM}: install libonnx-dev and libprotobuf-dev and build again")
    if not DATA.exists():
        pytest.skip(f"no {DATA}: install libonnx-testdata")


def onnx_cases(*folders):
    done = subprocess.run([PROGRAM, *folders], capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_all_that_convoy_has_passes():
    code, lines, errors = onnx_cases(DATA / "node", DATA / "pytorch-operator", DATA / "pytorch-converted")
    assert [line for line in lines if line.startswith("fail")] == [] and code == 0, errors
    passed = sum(line.startswith("pass ") for line in lines)
    skipped = sum(line.startswith("unsupported ") for line in lines)
    assert lines[-1] == f"{passed} passed, 0 failed, {skipped} skipped"
    assert passed >= 218 and len(lines) == passed + skipped + 1


@pytest.fixture
def copied(tmp_path):
    case = tmp_path / "cases/test_relu"
    shutil.copytree(DATA / "node/test_relu", case)
    return case


def test_a_wrong_value_fails(copied):
    """Of relu's input as expected output: what was negative is now an error."""
    shutil.copy(copied / "test_data_set_0/input_0.pb", copied / "test_data_set_0/output_0.pb")
    code, lines, _ = onnx_cases(copied.parent)
    assert code == 1 and lines[-1] == "0 passed, 1 failed, 0 skipped"
    assert lines[0].startswith("fail test_relu: largest error ")


def test_a_case_alone_passes(copied):
    assert onnx_cases(copied)[:2] == (0, ["pass test_relu", "1 passed, 0 failed, 0 skipped"])


def test_a_missing_model_or_data_set_is_no_pass(copied):
    shutil.rmtree(copied / "test_data_set_0")
    assert onnx_cases(copied.parent)[0] == 1
    (copied / "model.onnx").write_bytes(b"no model")
    assert onnx_cases(copied.parent)[0] == 1


def test_no_case_is_an_error(tmp_path):
    code, lines, errors = onnx_cases(tmp_path)
    assert code == 2 and lines == ["0 passed, 0 failed, 0 skipped"] and "no case" in errors
