"""README.md agrees with the code and with the recorded measurements."""

import subprocess
import sys

import readme


def test_exit_codes_are_those_of_the_program(repository):
    header = readme.exit_codes_in_header((repository / "core/base/error.hpp").read_text())
    assert len(header) >= 9
    assert readme.exit_codes_in_readme((repository / "README.md").read_text()) == header


def test_a_wrong_exit_code_is_found():
    header = readme.exit_codes_in_header("enum class ExitCode : int {\n  ok = 0,\n  usage = 2,  // a flag\n};")
    table = "# Exit codes\n\n| code | name | meaning |\n|---|---|---|\n| 0 | `ok` | |\n| %d | `usage` | a flag |\n\n# Next\n"
    assert header == {"ok": 0, "usage": 2}
    assert readme.exit_codes_in_readme(table % 2) == header
    assert readme.exit_codes_in_readme(table % 3) != header


def test_no_figure_is_written_by_hand(repository):
    assert readme.figures_by_hand((repository / "README.md").read_text()) == []


def test_a_figure_written_by_hand_is_found():
    generated = "<!-- figures: a -->\n| 91.3 % |\n<!-- end of figures -->\n"
    assert readme.figures_by_hand(generated + "```\n5 images/s\n```\nconv K=20 F=5, 28x28x1, 2 workers\n") == []
    assert readme.figures_by_hand(generated + "It reaches 91.3 % here.\n") == ["It reaches 91.3 % here."]
    assert readme.figures_by_hand("| LeNet | 9243 images/s |\n") == ["| LeNet | 9243 images/s |"]
    assert readme.figures_by_hand("It is 1.9x as fast.\n") == ["It is 1.9x as fast."]


def test_figures_are_those_of_the_result_files(repository):
    tables = [sys.executable, repository / "experiments/results/tables.py", "--check"]
    result = subprocess.run(tables, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
