#!/usr/bin/python3
"""Writes the figures of README.md from the result files beside this script: tables.py [--check]

A figure stands in README.md between `<!-- figures: NAME -->` and `<!-- end of figures -->`, and comes from NAME.json:

    {"made_by": "the command", "on": "the machine", "date": "2026-11-22", "columns": [...], "rows": [[...], ...]}

or, where NAME is gpu-SOMETHING, from the checks and speeds that tests/gpu/run has written down.

Numbers are printed with three digits that count, whole ones in full; texts as they are. --check changes nothing and
exits 1 where README.md and the files disagree.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
MARKED = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def cell(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def of_gpu(result):
    """Columns and rows of what tests/gpu/run wrote: its speeds, with a dash where there was no PyTorch."""
    rows = []
    for check in result["checks"]:
        figures = check.get("figures", {})
        if check["outcome"] != "passed" or not check["name"].startswith("speed of "):
            continue
        for row in figures["rows"]:
            best = row.get("pytorch_best")
            rows.append([f"{figures['net']} : {figures['batch']}", row["precision"], row["images_per_second"],
                         row["pytorch"][best] if best else "-", best or "-", row.get("ratio", "-")])
    return ["network : batch", "precision", "Convoy, images/s", "PyTorch's fastest", "its way", "ratio"], rows


def outcomes(result):
    """A sentence on the checks, naming those that did not pass."""
    checks = result["checks"]
    text = f"{sum(check['outcome'] == 'passed' for check in checks)} of {len(checks)} checks passed"
    for outcome in ("failed", "skipped"):
        names = [check["name"] for check in checks if check["outcome"] == outcome]
        text += f"; {outcome}: {', '.join(names)}" if names else ""
    return f" Commit {result['commit'][:12]}: {text}."


def table(result):
    columns, rows = of_gpu(result) if "checks" in result else (result["columns"], result["rows"])
    wrong = [row for row in rows if len(row) != len(columns)]
    if wrong:
        raise ValueError(f"{len(columns)} columns, but a row of {len(wrong[0])}")
    numeric = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join("---:" if n else "---" for n in numeric) + "|"]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
    return "\n".join(lines) + f"\n\nMade by `{result['made_by']}` on {result['date']}, {result['on']}." + (
        outcomes(result) if "checks" in result else "") + "\n"


def render(text, folder):
    """The README's text with every marked part made anew."""

    def part(match):
        path = folder / f"{match.group(2)}.json"
        try:
            result = json.loads(path.read_text())
            return match.group(1) + table(result) + match.group(3)
        except (OSError, ValueError, KeyError) as error:
            raise SystemExit(f"tables.py: {path}, which README.md asks for: {error!r}")

    return MARKED.sub(part, text)


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    old = README.read_text()
    new = render(old, HERE)
    if arguments and new != old:
        print("README.md's figures are not those of experiments/results; run experiments/results/tables.py")
        return 1
    if new != old:
        README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
