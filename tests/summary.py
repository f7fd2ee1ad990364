#!/usr/bin/python3
"""Adds up JUnit files of ctest and pytest: tests/summary.py FILE.xml...

Prints why tests were skipped, which failed, and last the line `N passed, N failed, N skipped`. Exits 1 when a test failed
or none ran. A test whose program is missing counts as failed, although ctest calls it skipped; so does a FILE that is
missing, because its runner ended before it wrote one.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree


def skip_reason(case, skipped):
    """What the test said; gtest prints `FILE:LINE: Skipped` and then the message."""
    output = case.findtext("system-out") or ""
    said = re.search(r"^\S+:\d+: Skipped\n(.*?)\n+\[", output, re.DOTALL | re.MULTILINE)
    return " ".join((said.group(1) if said else skipped.get("message", "")).split())


def judge(case):
    """("passed" | "failed" | "skipped", reason) of one <testcase>."""
    output = case.findtext("system-out") or ""
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed", ""
    if case.get("status") == "disabled":
        return "skipped", "disabled"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed", ""
    # ctest takes any output with "[  SKIPPED ]" for a skip, even of a test that failed as well.
    hides_failure = "[  FAILED  ]" in output or "Sanitizer" in output
    by_itself = case.get("status") is None or skipped.get("message", "").startswith("SKIP_")
    if hides_failure or not by_itself:
        return "failed", skipped.get("message", "")
    return "skipped", skip_reason(case, skipped)


def main(paths):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    lines = {"failed": [], "skipped": []}
    for path in paths:
        if not os.path.exists(path):
            counts["failed"] += 1
            lines["failed"].append(f"failed: {path} was not written: the runner of these tests stopped early")
            continue
        for case in ElementTree.parse(path).iter("testcase"):
            verdict, reason = judge(case)
            counts[verdict] += 1
            if verdict in lines:
                # ctest repeats the name as class name, pytest does not.
                name = case.get("name")
                group = case.get("classname", "")
                full = name if group in ("", name) else f"{group}.{name}"
                lines[verdict].append(f"{verdict}: {full}" + (f" ({reason})" if reason else ""))
    for line in lines["skipped"] + lines["failed"]:
        print(line)
    if not counts["passed"] and not counts["failed"]:
        print("no test ran")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
