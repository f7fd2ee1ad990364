"""What tests/gpu/run writes down of the machine: its GPU, the versions of driver and libraries, and Convoy's commit."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path


def first_line(command, **options):
    """Of what a command prints; "" where it is missing, fails or does not answer."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **options)
        return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""
    except (OSError, subprocess.SubprocessError):
        return ""


def nvidia_smi():
    return shutil.which("nvidia-smi", path=os.environ.get("PATH", "") + ":/usr/local/nvidia/bin")


def find_gpu():
    """{"name", "driver", "memory"} of the first GPU, or None and why there is none."""
    program = nvidia_smi()
    if not program:
        return None, "there is no nvidia-smi"
    line = first_line([program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"])
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3:
        return None, "nvidia-smi finds none"
    return dict(zip(("name", "driver", "memory"), parts)), ""


def short_name(gpu):
    """"NVIDIA H200" as h200, for a file's name."""
    words = re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
    return re.sub(r"^(nvidia|tesla|geforce)-", "", words) or "unnamed"


def library_folders(root):
    finder = root / "launchers/cuda-libraries"
    done = subprocess.run([finder], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.stdout.split("\n")[:-1]


def ask_library(folders, pattern, question):
    """The version that a library of CUDA's tells; in a process of its own, which may die of it."""
    for folder in folders:
        for path in sorted(Path(folder).glob(pattern)):
            told = first_line([sys.executable, "-c", "import ctypes, sys\nlibrary = ctypes.CDLL(sys.argv[1])\n" + question,
                               str(path)], env={**os.environ, "LD_LIBRARY_PATH": ":".join(folders)})
            if told:
                return f"{told} ({path})"
    return "not found"


CUDNN = "library.cudnnGetVersion.restype = ctypes.c_size_t\nv = library.cudnnGetVersion()\nprint(v // 10000, v // 100 % 100, v % 100, sep='.')"
NCCL = "v = ctypes.c_int()\nlibrary.ncclGetVersion(ctypes.byref(v))\nv = v.value\nprint(v // 10000, v // 100 % 100, v % 100, sep='.')"
RUNTIME = "v = ctypes.c_int()\nlibrary.cudaRuntimeGetVersion(ctypes.byref(v))\nv = v.value\nprint(v // 1000, v % 1000 // 10, sep='.')"


def cuda_of_driver():
    program = nvidia_smi()
    if not program:
        return "not found"
    done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    found = re.search(r"CUDA Version:\s*([\d.]+)", done.stdout)
    return found.group(1) if found else "not told"


def versions(root):
    folders = library_folders(root)
    return {"driver's CUDA": cuda_of_driver(), "CUDA runtime": ask_library(folders, "libcudart.so.*", RUNTIME),
            "cuDNN": ask_library(folders, "libcudnn.so.*", CUDNN), "NCCL": ask_library(folders, "libnccl.so.*", NCCL),
            "Python": platform.python_version()}


def commit(root):
    """Of a bundle, the commit that it was made from; else that of the source tree."""
    if (root / "COMMIT").exists():
        return (root / "COMMIT").read_text().strip()
    told = first_line(["git", "rev-parse", "HEAD"], cwd=root)
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no"], cwd=root)
    return (told or "unknown") + (" with changes" if changed else "")


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "an unnamed processor"
