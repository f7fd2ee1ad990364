"""tests/summary.py counts what happened, whatever ctest and pytest call it."""

import subprocess
import sys

import pytest

CASES = {
    "passed": ['<testcase name="a" classname="a" status="run"/>', '<testcase name="a" classname="x"/>'],
    "failed": [
        '<testcase name="a" status="fail"><failure message=""/></testcase>',
        '<testcase name="a" classname="x"><error message="boom"/></testcase>',
        '<testcase name="a" status="notrun"><skipped message="Unable to find executable"/></testcase>',
        '<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
        "<system-out>[  SKIPPED ] a\n[  FAILED  ] a</system-out></testcase>",
    ],
    "skipped": [
        '<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
        "<system-out>[ RUN      ] a\n/a.cpp:3: Skipped\nwhy not\n[  SKIPPED ] a</system-out></testcase>",
        '<testcase name="a" classname="x"><skipped message="why not"/></testcase>',
        '<testcase name="a" status="disabled"/>',
    ],
}


def summarise(repository, tmp_path, cases):
    path = tmp_path / "junit.xml"
    path.write_text("<testsuite>" + "".join(cases) + "</testsuite>")
    done = subprocess.run([sys.executable, repository / "tests/summary.py", path], capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("verdict, case", [(v, c) for v, cases in CASES.items() for c in cases])
def test_each_outcome_is_counted(repository, tmp_path, verdict, case):
    code, output = summarise(repository, tmp_path, [case, CASES["passed"][0]])
    counts = {v: int(v == verdict) + int(v == "passed") for v in CASES}
    assert output.splitlines()[-1] == "{passed} passed, {failed} failed, {skipped} skipped".format(**counts)
    assert code == (verdict == "failed")
    assert ("why not" in output) == ("why not" in case)


def test_no_test_at_all_is_a_failure(repository, tmp_path):
    assert summarise(repository, tmp_path, [])[0] == 1
    assert summarise(repository, tmp_path, CASES["skipped"])[0] == 1


def test_a_runner_that_wrote_nothing_is_a_failure(repository, tmp_path):
    whole = tmp_path / "whole.xml"
    whole.write_text("<testsuite>" + CASES["passed"][0] + "</testsuite>")
    command = [sys.executable, repository / "tests/summary.py", whole, tmp_path / "missing.xml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.endswith("1 passed, 1 failed, 0 skipped\n")
