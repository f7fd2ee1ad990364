"""experiments/results/tables.py writes what the result files say, and notices when README.md says something else."""

import importlib.util
import json

import pytest


@pytest.fixture
def tables(repository, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("tables", repository / "experiments/results/tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text("a\n<!-- figures: speed -->\nold\n<!-- end of figures -->\nb\n")
    (tmp_path / "speed.json").write_text(json.dumps({
        "made_by": "measure", "on": "two cores", "date": "2026-01-02", "columns": ["net", "images/s", "ratio"],
        "rows": [["LeNet", 9243.4, 1.388], ["AlexNet", 45, 1]]}))
    return module


def test_a_table_is_written_and_then_agrees(tables):
    assert tables.main(["--check"]) == 1
    assert tables.main([]) == 0
    assert tables.README.read_text() == (
        "a\n<!-- figures: speed -->\n| net | images/s | ratio |\n|---|---:|---:|\n| LeNet | 9,243 | 1.39 |\n"
        "| AlexNet | 45 | 1 |\n\nMade by `measure` on 2026-01-02, two cores.\n<!-- end of figures -->\nb\n")
    assert tables.main(["--check"]) == 0


def test_a_changed_figure_is_noticed(tables):
    tables.main([])
    tables.README.write_text(tables.README.read_text().replace("9,243", "19,243"))
    assert tables.main(["--check"]) == 1


@pytest.mark.parametrize("content", [None, "{", '{"columns": ["a"], "rows": [[1, 2]], "made_by": "", "on": "", "date": ""}'])
def test_a_missing_or_broken_result_is_named(tables, content):
    path = tables.HERE / "speed.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(SystemExit, match=r"speed\.json"):
        tables.main([])
