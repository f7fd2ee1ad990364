"""The source tree keeps the rules, and each rule finds a violation that was planted for it."""

import pytest

import rules

PLANTED = {
    rules.forbidden_includes: [
        {"core/a.hpp": "", "io/a.hpp": "", "core/b.cpp": '#include "core/a.hpp"\n#include "io/a.hpp"\n'},
        {"distributed/a.hpp": "", "io/b.cpp": '#include "distributed/a.hpp"\n'},
        {"io/a.hpp": "", "distributed/b.cpp": '  #  include "io/a.hpp"\n'},
        {"launchers/a.hpp": "", "distributed/b.cu": '#include "launchers/a.hpp"\n'},
        {"tests/a.hpp": "", "launchers/b.cpp": "#include <tests/a.hpp>\n"},
        {"core/base/a.hpp": "", "core/base/b.cpp": '#include "a.hpp"\n'},
    ],
    rules.stray_library_includes: [
        {"distributed/exchange.cpp": "#include <mpi.h>\n"},
        {"distributed/mpi_world.hpp": "#include <mpi.h>\n"},
        {"core/io.cpp": "#include <hdf5.h>\n"},
        {"launchers/main.cpp": "#include <boost/program_options.hpp>\n"},
        {"core/layers/conv.cpp": '#include "dnnl.hpp"\n'},
        {"core/layers/conv.cpp": "#include <oneapi/dnnl/dnnl.hpp>\n"},
        {"core/train/trainer.cpp": "#include <cuda_runtime.h>\n"},
        {"core/a.cpp": "#include <nlohmann/json.hpp>\n"},
        {"core/a.cpp": "#include <gtest/gtest.h>\n"},
    ],
    rules.include_cycles: [
        {"core/a.hpp": '#include "core/b.hpp"\n', "core/b.hpp": '#include "core/c.hpp"\n',
         "core/c.hpp": '#include "core/a.hpp"\n'},
    ],
    rules.strangers_at_the_top: [{"notes.txt": ""}, {"utils/a.cpp": ""}],
    rules.long_files: [{"core/a.cpp": "\n" * 401}, {"launchers/run": "#!/bin/sh\n" + "\n" * 400}],
    rules.left_for_later: [{"core/a.cpp": "// TO" + "DO: more\n"}, {"tests/a.cpp": "TEST(A, DISABLED_" + "b) {}\n"}],
    rules.missing_pragma_once: [{"core/a.hpp": "int a;\n"}],
}


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule, repository):
    assert rule(repository) == []


@pytest.mark.parametrize("rule, contents", [(r, c) for r, trees in PLANTED.items() for c in trees],
                         ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_violation_is_found(rule, contents, tree):
    assert len(rule(tree(contents))) == 1


def test_a_clean_tree_passes_every_rule(tree):
    root = tree({
        ".gitignore": "/build/\n", "README.md": "", "build/x.cpp": '#include "nowhere.hpp"\n',
        "core/a.hpp": "#pragma once\n#include <vector>\n", "core/ops/conv_cpu.cpp": "#include <dnnl.hpp>\n",
        "io/b.cpp": '#include "core/a.hpp"\n#include <hdf5.h>\n', "distributed/mpi_world.cpp": "#include <mpi.h>\n",
        "launchers/options/o.cpp": "#include <boost/program_options.hpp>\n",
    })
    assert {rule.__name__: rule(root) for rule in PLANTED} == {rule.__name__: [] for rule in PLANTED}
