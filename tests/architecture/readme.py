"""What README.md says, held against what it speaks of."""

import re


def exit_codes_in_header(text):
    """{name: number} of `enum class ExitCode` in core/base/error.hpp."""
    body = re.search(r"enum class ExitCode[^{]*\{(.*?)\};", text, re.DOTALL).group(1)
    return {name: int(number) for name, number in re.findall(r"^\s*(\w+) = (\d+)", body, re.MULTILINE)}


def exit_codes_in_readme(text):
    """{name: number} of the rows `| number | name | ... |` below the heading "Exit codes"."""
    section = re.search(r"^#+ Exit codes$(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    if not section:
        return {}
    return {name: int(number) for number, name in re.findall(r"^\| *(\d+) *\| *`?(\w+)`? *\|", section.group(1), re.M)}


def without_generated(text):
    """The README without code blocks and without what lies between the markers of experiments/results/tables.py."""
    text = re.sub(r"<!-- figures: .*? -->.*?<!-- end of figures -->", "", text, flags=re.DOTALL)
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


MEASURED = re.compile(r"\d[\d.,]*( ?%| ?images/s| ?x\b(?! ?\d)| ?GFLOP| ?[GM]B/s)")


def figures_by_hand(text):
    """Lines that state a measured figure outside generated parts."""
    return [line for line in without_generated(text).splitlines() if MEASURED.search(line)]
