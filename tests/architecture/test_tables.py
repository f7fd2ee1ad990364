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


GPU = {"made_by": "tests/gpu/run", "on": "a GPU", "date": "2026-01-02", "commit": "0123456789abcdef", "checks": [
    {"name": "unit tests", "outcome": "passed"}, {"name": "bf16 on LeNet", "outcome": "failed"},
    {"name": "speed of lenet", "outcome": "passed", "figures": {"net": "lenet", "batch": 64, "rows": [
        {"precision": "fp32", "images_per_second": 1000.0},
        {"precision": "bf16", "images_per_second": 3000.0, "pytorch": {"eager": 900.0, "graph": 2000.0},
         "pytorch_best": "graph", "ratio": 1.5}]}},
    {"name": "speed of alexnet", "outcome": "skipped"}]}


def test_a_gpus_checks_and_speeds_make_a_table(tables):
    (tables.HERE / "speed.json").write_text(json.dumps(GPU))
    tables.main([])
    text = tables.README.read_text()
    assert "| lenet : 64 | fp32 | 1,000 | - | - | - |\n| lenet : 64 | bf16 | 3,000 | 2,000 | graph | 1.5 |\n" in text
    assert ("2026-01-02, a GPU. Commit 0123456789ab: 2 of 4 checks passed; failed: bf16 on LeNet; skipped: speed of alexnet.\n"
            in text)


def test_every_gpus_result_is_shown(repository):
    """A result of tests/gpu/run stands in README.md between its own markers."""
    readme = (repository / "README.md").read_text()
    for path in sorted((repository / "experiments/results").glob("gpu-*.json")):
        assert f"<!-- figures: {path.stem} -->" in readme, f"put the markers of {path.name} into README.md, and run tables.py"
