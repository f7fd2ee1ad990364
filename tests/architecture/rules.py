"""The rules of the house (design 1), each a function from a source tree to a list of violations.

A violation is one line that names the file, the line and what to do instead.
"""

import os
import re
from pathlib import Path

MAY_INCLUDE = {
    "core": {"core"},
    "io": {"core", "io"},
    "distributed": {"core", "distributed"},
    "launchers": {"core", "io", "distributed", "launchers"},
    "experiments": {"core", "io", "distributed", "launchers", "experiments"},
    "tests": {"core", "io", "distributed", "launchers", "tests"},
}

# A library is seen where it is wrapped and nowhere else: (its headers, the only files that may include them).
LIBRARY_HOMES = {
    "MPI": (r"mpi\.h$", r"distributed/mpi_\w+\.cpp$|tests/distributed/mpi/|experiments/benchmarks/"),
    "HDF5": (r"(hdf5|H5\w+)\.h$", r"io/|tests/io/|experiments/benchmarks/"),
    "Boost": (r"boost/", r"launchers/options/"),
    "oneDNN": (r"(oneapi/)?dnnl\w*(/|\.h)", r"core/(ops|device)/|experiments/benchmarks/"),
    "CUDA": (r"(cuda\w*|cublas\w*|cudnn\w*|nvrtc)\.h$|nvtx3/", r"core/(ops|device)/|\w+/(\w+/)*\w+_cuda\w*\.(cu|cuh|cpp|hpp)$"),
    "NCCL": (r"nccl\.h$", r"distributed/nccl_\w+\.cpp$|tests/distributed/nccl/"),
    "libarchive": (r"archive(_entry)?\.h$", r"io/importers/|tests/(io/importers|fuzz)/"),
    "libjpeg": (r"j(peglib|error|config)\.h$", r"io/image/|tests/io/image/"),
    "libpng": (r"png(conf)?\.h$", r"io/image/|tests/io/image/"),
    "zlib": (r"zlib\.h$", r"io/|tests/io/"),
    "nlohmann-json": (r"nlohmann/", r"(io|distributed|launchers|tests|experiments)/"),
    "OpenMP": (r"omp\.h$", r"core/|tests/core/|experiments/benchmarks/"),
    "GoogleTest": (r"g(test|mock)/", r"tests/"),
}

TOP_LEVEL_FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "CONTRIBUTING.md", "LICENSE"}
MAX_LINES = 400
MAY_BE_LONGER = set()  # paths; each with its reason beside it

CODE = (".cpp", ".hpp", ".cu", ".cuh")
LEFT_FOR_LATER = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def _ignored(root):
    """Top-level names that .gitignore keeps out of the repository, such as build."""
    ignore = root / ".gitignore"
    lines = ignore.read_text().split() if ignore.exists() else []
    return {line.strip("/") for line in lines} | {".git"}


def files(root):
    """Paths of all files of the tree, relative, build outputs left out."""
    ignored = _ignored(root)
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = sorted(f for f in folders if f not in ignored)
        yield from (here / name for name in sorted(names) if name not in ignored)


def code_files(root):
    return [path for path in files(root) if path.suffix in CODE]


def read(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


def includes(root, path):
    """(line number, quote character, name) of every #include."""
    found = re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', read(root, path), re.MULTILINE)
    text = read(root, path)
    return [(text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2)) for m in found]


def forbidden_includes(root):
    """The rooms' imports form a DAG: core <- io, core <- distributed, all <- launchers."""
    wrong = []
    for path in code_files(root):
        room = path.parts[0]
        for line, quote, name in includes(root, path):
            target = name.split("/")[0]
            if target in MAY_INCLUDE and target not in MAY_INCLUDE.get(room, set()):
                wrong.append(f'{path}:{line}: {room} must not include "{name}"; move what both need into core')
            elif quote == '"' and not (root / name).exists():
                wrong.append(f'{path}:{line}: "{name}" is not a path from the repository root; write it in full')
    return wrong


def stray_library_includes(root):
    """A library's headers are included only in its home."""
    wrong = []
    for path in code_files(root):
        for line, _, name in includes(root, path):
            for library, (headers, home) in LIBRARY_HOMES.items():
                if re.match(headers, name) and not re.match(home, path.as_posix()):
                    wrong.append(f"{path}:{line}: <{name}> belongs to {library}, whose home is {home}; use its wrapper")
    return wrong


def include_cycles(root):
    """No header includes itself by way of others."""
    graph = {p.as_posix(): [n for _, q, n in includes(root, p) if q == '"'] for p in code_files(root)}
    wrong, state = [], {}

    def visit(node, trail):
        if state.get(node) == "done" or node not in graph:
            return
        if node in trail:
            wrong.append("include cycle: " + " -> ".join(trail[trail.index(node):] + [node]))
            return
        for target in graph[node]:
            visit(target, trail + [node])
        state[node] = "done"

    for node in graph:
        visit(node, [])
    return wrong


def strangers_at_the_top(root):
    """Nothing stands at the top level but the rooms and the files that design 1 lists."""
    ignored = _ignored(root)
    wrong = []
    for entry in sorted(root.iterdir()):
        name = entry.name
        if name in ignored or name.startswith("."):
            continue
        if name not in (MAY_INCLUDE if entry.is_dir() else TOP_LEVEL_FILES):
            wrong.append(f"{name}: stands at the top level; put it in one of {', '.join(MAY_INCLUDE)}")
    return wrong


def is_script(root, path):
    if path.suffix in (".py", ".sh"):
        return True
    if path.suffix:
        return False
    with (root / path).open("rb") as file:
        return file.read(2) == b"#!"


def long_files(root):
    """A file over 400 lines is probably two rooms."""
    wrong = []
    for path in files(root):
        if path.suffix in CODE or is_script(root, path):
            lines = read(root, path).count("\n")
            if lines > MAX_LINES and path.as_posix() not in MAY_BE_LONGER:
                wrong.append(f"{path}: {lines} lines, more than {MAX_LINES}; split it")
    return wrong


def left_for_later(root):
    """Nothing is left for later in the code; open work has its issue."""
    wrong = []
    for path in files(root):
        if path.suffix in CODE or is_script(root, path):
            for number, line in enumerate(read(root, path).splitlines(), 1):
                if LEFT_FOR_LATER.search(line) or re.search(r"\bDISABLED_\w", line):
                    wrong.append(f"{path}:{number}: left for later: {line.strip()}")
    return wrong


def missing_pragma_once(root):
    return [f"{path}: no #pragma once" for path in code_files(root)
            if path.suffix in (".hpp", ".cuh") and "#pragma once" not in read(root, path)]
