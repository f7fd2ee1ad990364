"""launchers/slurm/train.sbatch under a real Slurm: 2 nodes of 2 CPUs, on this machine."""

import os
import re
import signal
import subprocess

import pytest

from slurm_cluster import Slurm, wait_for, why_not
from idx import made_up, write_pair
from program import DATA, OK, USAGE, checkpoints, losses, same_bits, steps, succeed

NET = """input 12x12x1
conv K=8 F=3
relu
maxpool F=2 S=2
fc K=4
loss softmax
"""
LONG = 10_000_000  # steps: more than a test waits for


@pytest.fixture(scope="module")
def slurm():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    slurm = Slurm(2)
    yield slurm
    assert len(slurm.processes()) >= 4
    slurm.stop()
    assert slurm.processes() == [] and not slurm.state.exists()


@pytest.fixture(autouse=True)
def no_job_left(slurm):
    """A test that failed leaves none to the next."""
    yield
    slurm.run("scancel", "--user=root")
    wait_for(lambda: slurm.run("squeue", "--noheader").stdout == "", lambda: slurm.run("squeue").stdout)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    succeed("import", "idx", *write_pair(folder / "idx", *made_up(320, seed=5)), "--out", folder / "train")
    (folder / "tiny.net").write_text(NET)
    return folder


@pytest.fixture
def recipe(data, tmp_path):
    """A function that writes the recipe; called again it replaces it, also for a job that waits for its next start."""

    def write(**keys):
        usual = {"net": data / "tiny.net", "data": data / "train", "run": tmp_path / "run", "batch": 32, "steps": 60,
                 "seed": 3, "optimizer": "momentum", "learning-rate": 0.001, "momentum": 0.9, "log-every": 1,
                 "checkpoint-every": 1000, "threads": 1, "timeout": 60}
        usual.update({key.replace("_", "-"): value for key, value in keys.items()})
        path = tmp_path / "recipe.cfg"
        path.write_text("".join(f"{key} = {value}\n" for key, value in usual.items()))
        return path

    return write


def undisturbed(recipe_path, run):
    """The same training by four workers in one go."""
    succeed("train", recipe_path, "--run", run, workers=4)
    return run


def finish_after_requeue(job, recipe, run, restarts=1, **keys):
    """Lets a requeued job take 40 steps more than were saved; then it must have the bits of a run in one go."""
    saved = int(re.search(r"step-0*(\d+)", checkpoints(run)[-1].name).group(1))
    path = recipe(steps=saved + 40, **keys)
    job.start_now(restarts)
    assert job.end() == OK, job.about()
    assert f"resuming after step {saved} " in job.output()
    assert job.workers() == []
    reference = undisturbed(path, run.with_name("reference"))
    assert len(steps(run)) == saved + 40
    assert losses(run) == losses(reference)
    assert same_bits(checkpoints(run)[-1], checkpoints(reference)[-1]) == []


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_two_nodes_of_two_tasks(slurm, recipe, tmp_path, launcher):
    job = slurm.submit(tmp_path / "log", "--launcher", launcher, recipe())
    assert job.end() == OK, job.about()
    assert "MPI, 4 workers on 2 nodes" in job.output()
    reference = undisturbed(recipe(), tmp_path / "reference")
    # Where the workers stand does not change the order of their sums.
    assert losses(tmp_path / "run") == losses(reference)
    assert same_bits(checkpoints(tmp_path / "run")[-1], checkpoints(reference)[-1]) == []
    # Submitted again, a finished run is left as it is.
    again = slurm.submit(tmp_path / "again", "--launcher", launcher, recipe())
    assert again.end() == OK and "all 60 steps are taken" in again.output()


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_usr1_saves_and_requeues(slurm, recipe, tmp_path, launcher):
    job = slurm.submit(tmp_path / "log", recipe(steps=LONG), environment={"CONVOY_LAUNCHER": launcher})
    job.until_step(tmp_path / "run", 20)
    slurm.run("scancel", "--signal=USR1", job.number)
    job.until_requeued()
    assert "train.sbatch: requeued; will go on from step-" in job.output()
    finish_after_requeue(job, recipe, tmp_path / "run")


def test_time_limit_saves_and_requeues(slurm, recipe, tmp_path):
    """Slurm looks at time limits every 30 s, so this one waits; its workers do, too, and cost nothing meanwhile."""
    job = slurm.submit(tmp_path / "log", recipe(steps=LONG, timeout=200), "--timeout", 200,
                       sbatch=["--nodes=2", "--ntasks-per-node=2", "--time=1", "--signal=B:USR1@45"])
    job.until_step(tmp_path / "run", 20)
    paused = job.pause()
    assert len(paused) == 4
    wait_for(lambda: "SIGUSR1: the training is asked to save" in job.output(), lambda: f"the signal\n{job.about()}")
    for pid in paused:
        os.kill(pid, signal.SIGCONT)
    job.until_requeued()
    finish_after_requeue(job, recipe, tmp_path / "run", timeout=200)


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_scancel_saves_and_ends(slurm, recipe, tmp_path, launcher):
    job = slurm.submit(tmp_path / "log", "--launcher", launcher, recipe(steps=LONG))
    job.until_step(tmp_path / "run", 20)
    slurm.run("scancel", job.number)
    job.until("CANCELLED")
    wait_for(lambda: not job.workers(), lambda: f"the end of all workers\n{job.about()}")
    wait_for(lambda: checkpoints(tmp_path / "run"), lambda: f"a checkpoint\n{job.about()}")
    assert job.field("Restarts") == "0" and "requeued; will go on" not in job.output()


@pytest.mark.parametrize("node", ["node1", "node0"], ids=["other-node", "node-of-the-batch-script"])
def test_a_crashed_node(slurm, recipe, tmp_path, node):
    job = slurm.submit(tmp_path / "log", recipe(steps=LONG, checkpoint_every=10))
    wait_for(lambda: checkpoints(tmp_path / "run"), lambda: f"a checkpoint\n{job.about()}")
    slurm.crash(node)
    job.until_requeued()
    slurm.boot(node)
    wait_for(lambda: slurm.node_state(node) == "IDLE", f"{node} back")
    # The crash has left PMIx's sockets on the node's disk; the second start must not stumble over them.
    assert list((slurm.state / "spool" / node).glob("stepd.slurm.pmix.*"))
    finish_after_requeue(job, recipe, tmp_path / "run", checkpoint_every=10)


def test_an_array_of_seeds(slurm, recipe, tmp_path):
    job = slurm.submit(tmp_path / "log-%a", recipe(), sbatch=["--array=7-8", "--nodes=1", "--ntasks=2"])
    for seed in (7, 8):
        wait_for(lambda: "train.sbatch: done" in (tmp_path / f"log-{seed}").read_text()
                 if (tmp_path / f"log-{seed}").exists() else False, lambda: f"seed {seed}\n{job.about()}")
    runs = [tmp_path / "run/seed-7", tmp_path / "run/seed-8"]
    for seed, run in zip((7, 8), runs):
        assert f"seed = {seed}\n" in (run / "recipe.cfg").read_text()
        assert len(steps(run)) == 60
    assert same_bits(checkpoints(runs[0])[-1], checkpoints(runs[1])[-1]) != []


def test_bad_data_is_not_requeued(slurm, recipe, tmp_path):
    job = slurm.submit(tmp_path / "log", recipe(data=tmp_path / "nowhere"))
    assert job.end() == DATA, job.about()
    assert "nowhere: there is no such dataset" in job.output()
    assert job.field("Restarts") == "0"


@pytest.mark.parametrize("mpi", ["none", "pmi2"])
def test_tasks_that_mpi_cannot_join(slurm, recipe, tmp_path, mpi):
    program = slurm.environment["CONVOY"]
    done = slurm.run("srun", f"--mpi={mpi}", "--nodes=2", "--ntasks=4", program, "train", recipe())
    assert done.returncode == USAGE, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("convoy: ")]
    assert len(said) == 1 and "use srun --mpi=pmix" in said[0], done.stderr
    assert not (tmp_path / "run").exists()
    # Looking at something harms nothing, and one task needs no MPI.
    assert slurm.run("srun", f"--mpi={mpi}", "--ntasks=4", program, "net", tmp_path / "nothing").returncode == USAGE
    assert slurm.run("srun", f"--mpi={mpi}", "--ntasks=1", program, "train", recipe()).returncode == OK


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_each_task_has_its_own_gpu(slurm, recipe, tmp_path, launcher):
    """The nodes' GPUs are made up, so a program that tells what it was given stands in for convoy."""
    program = tmp_path / "program"
    program.write_text(f"""#!/bin/bash
rank=${{OMPI_COMM_WORLD_RANK:-$SLURM_PROCID}}
echo "$(hostname) $CUDA_VISIBLE_DEVICES $(sed -n 's/Cpus_allowed_list://p' /proc/self/status)" >{tmp_path}/gpu-$rank
if [ $rank = 0 ]; then echo '{{"finished":true}}'; fi
""")
    program.chmod(0o755)
    sbatch = ["--nodes=2", "--ntasks-per-node=2", "--gpus-per-node=2", "--cpus-per-task=1"]
    job = slurm.submit(tmp_path / "log", "--launcher", launcher, recipe(), sbatch=sbatch,
                       environment={"CONVOY": str(program)})
    assert job.end() == OK, job.about()
    told = sorted(path.read_text().split() for path in tmp_path.glob("gpu-*"))
    assert [words[:2] for words in told] == [[node, gpu] for node in ("node0", "node1") for gpu in "01"], told
    if launcher == "srun" and os.cpu_count() >= 2:  # bound to a core of its own
        assert len({(node, core) for node, _, core in told}) == 4 and all(core.isdigit() for _, _, core in told), told

    crowded = slurm.submit(tmp_path / "crowded", "--launcher", launcher, recipe(),
                           sbatch=["--nodes=1", "--ntasks=2", "--gpus-per-node=1"])
    assert crowded.end() == USAGE, crowded.about()
    assert "1 GPUs on a node for 2 tasks" in crowded.output()
