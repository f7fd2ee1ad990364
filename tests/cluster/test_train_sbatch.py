"""What launchers/slurm/train.sbatch decides, with srun, mpirun and scontrol played by scripts: no Slurm is needed."""

import os
import re
import signal
import subprocess
import time

import pytest

from slurm_cluster import TRAIN

# Ends as FAKE_* say; with FAKE_WAITS it goes on until SIGUSR1, as a training that saves.
LAUNCHER = """#!/bin/bash
echo "$(basename "$0") $*" >>"$CALLS"
case $* in *--mpi=none*) exit ;; esac
if [ -n "$FAKE_WAITS" ]; then
  trap 'echo "{\\"finished\\":false}"; exit 75' USR1
  echo waiting >>"$CALLS"
  while :; do /bin/sleep 0.05; done
fi
if [ -n "$FAKE_FAILURE" ]; then echo "{ \\"exit_code\\": $FAKE_FAILURE }" >"$FAKE_RUN/failure.json"; fi
if [ -n "$FAKE_CHECKPOINT" ]; then
  mkdir -p "$FAKE_RUN/checkpoints" && touch "$FAKE_RUN/checkpoints/$FAKE_CHECKPOINT"
fi
echo "$FAKE_OUTPUT"
exit "$FAKE_CODE"
"""
# Ends the batch script as it requeues the job, as Slurm does.
SCONTROL = """#!/bin/bash
echo "scontrol $*" >>"$CALLS"
case $1 in
  show) echo "JobState=${FAKE_STATE:-RUNNING}" ;;
  requeue) kill -TERM "$PPID" ;;
esac
"""
FINISHED, SAVED = '{"run":"r","finished":true,"step":9}', '{"run":"r","finished":false,"step":4}'


class Batch:
    def __init__(self, folder):
        self.folder, self.run, self.calls = folder, folder / "run", folder / "calls"
        for name, text in (("srun", LAUNCHER), ("mpirun", LAUNCHER), ("scontrol", SCONTROL), ("convoy", "#!/bin/sh\n")):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        self.recipe = folder / "recipe.cfg"
        self.recipe.write_text(f"# a recipe\nrun = {self.run}  # its folder\nthreads-of = no key\n")
        clean = {key: value for key, value in os.environ.items()
                 if not key.startswith(("SLURM_", "OMPI_", "CONVOY", "CUDA_", "OMP_"))}
        self.environment = {**clean, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(self.calls),
                            "CONVOY": str(folder / "convoy"), "FAKE_RUN": str(self.run), "SLURM_JOB_ID": "12",
                            "FAKE_CODE": "0", "FAKE_OUTPUT": FINISHED}

    def start(self, *arguments, **environment):
        self.calls.write_text("")
        wanted = {**self.environment, **environment}
        return subprocess.Popen([TRAIN, *map(str, arguments or [self.recipe])], cwd=self.folder,
                                env={key: str(value) for key, value in wanted.items() if value is not None},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __call__(self, *arguments, **environment):
        """(exit code, output) of one attempt."""
        process = self.start(*arguments, **environment)
        output = process.communicate(timeout=60)[0]
        return process.returncode, output

    def requeued(self):
        return "scontrol requeue 12" in self.calls.read_text()

    def launches(self):
        return [line for line in self.calls.read_text().splitlines() if line.startswith(("srun --mpi=pmix", "mpirun"))]


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path)


@pytest.mark.parametrize("code, output, failure, exit_code, requeued", [
    (0, FINISHED, "", 0, False),
    (137, FINISHED, "", 0, False),  # srun's code is no proof of a failure
    (0, "", "", 6, True),  # nor of success
    (137, "", "", 6, True),
    (1, "", "", 6, True),
    (75, SAVED, "", 75, True),
    (0, SAVED, "", 75, True),
    (75, "", "", 75, True),
    (137, "", 6, 6, True),
    (137, "", 5, 5, False),
    (1, "", 1, 1, False),
    *((code, "", "", code, False) for code in (2, 3, 4, 5, 7)),
])
@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_what_is_requeued(batch, launcher, code, output, failure, exit_code, requeued):
    told = batch("--launcher", launcher, batch.recipe, FAKE_CODE=code, FAKE_OUTPUT=output, FAKE_FAILURE=failure)
    assert (told[0], batch.requeued()) == (exit_code, requeued), told[1]
    assert batch.launches()[0].startswith(launcher)
    assert batch.launches()[0].endswith(f"convoy train {batch.recipe} --run {batch.run} --resume --json")


def test_an_old_failure_is_not_taken_for_this_one(batch):
    batch.run.mkdir()
    (batch.run / "failure.json").write_text('{ "exit_code": 5 }')
    assert batch(FAKE_CODE=137, FAKE_OUTPUT="")[0] == 6 and batch.requeued()


def test_a_cancelled_job_is_not_requeued(batch):
    assert batch(FAKE_CODE=75, FAKE_OUTPUT=SAVED, FAKE_STATE="CANCELLED")[0] == 75 and not batch.requeued()


def test_three_attempts_that_save_nothing_are_enough(batch):
    lost = {"FAKE_CODE": 6, "FAKE_OUTPUT": ""}
    assert batch(**lost)[0] == 6 and batch.requeued()
    assert batch(**lost, SLURM_RESTART_COUNT=1)[0] == 6 and batch.requeued()
    batch(**lost, SLURM_RESTART_COUNT=2, FAKE_CHECKPOINT="step-00000100.h5")
    assert batch.requeued()  # it saved something: the count begins anew
    for restarts, again in ((3, True), (4, True), (5, False)):
        code, output = batch(**lost, SLURM_RESTART_COUNT=restarts)
        assert code == 6 and batch.requeued() == again, output
    assert "three attempts in a row saved nothing" in output
    # Slurm requeues a job by itself, too, when a node is lost.
    assert batch(**lost, SLURM_RESTART_COUNT=6)[0] == 6 and batch.launches() == []
    # Somebody has looked, and submits it anew.
    assert batch(SLURM_JOB_ID=13)[0] == 0


def test_a_new_attempt_uses_a_new_step_of_the_job(batch):
    batch(SLURM_RESTART_COUNT=2)
    calls = batch.calls.read_text().splitlines()
    assert ["--mpi=none" in call for call in calls] == [True, True, False]
    batch("--launcher=mpirun", batch.recipe, SLURM_RESTART_COUNT=2)
    assert "--mpi=none" not in batch.calls.read_text()


@pytest.mark.parametrize("sent, requeued", [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_signals_reach_the_training(batch, sent, requeued):
    process = batch.start(FAKE_WAITS="yes")
    end = time.monotonic() + 60
    while "waiting" not in batch.calls.read_text():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    output = process.communicate(timeout=60)[0]
    assert (process.returncode, batch.requeued()) == (75, requeued), output


def dry_run(batch, *arguments, **environment):
    code, output = batch("--dry-run", *arguments, SLURM_JOB_ID=None, **environment)
    assert batch.calls.read_text() == "" and not batch.run.exists()
    return code, output


def test_dry_run_tells_what_would_be_run(batch):
    code, output = dry_run(batch, "--", batch.recipe, "--batch", 64)
    assert code == 0 and "SLURM_OVERLAP=1\n" in output
    assert output.splitlines()[-1].rstrip() == (
        f"srun --mpi=pmix {batch.folder}/convoy train {batch.recipe} --batch 64 --run {batch.run} --resume --json")


def test_cores_of_a_task(batch):
    output = dry_run(batch, batch.recipe, SLURM_CPUS_PER_TASK=4)[1]
    assert "OMP_NUM_THREADS=4\n" in output and "--threads 4 " in output
    assert "srun --mpi=pmix --cpus-per-task=4 --cpu-bind=cores " in output
    for given in (["--threads", 2], ["--threads=2"]):
        assert "--threads 4" not in dry_run(batch, batch.recipe, *given, SLURM_CPUS_PER_TASK=4)[1]


def test_a_gpu_for_each_task(batch):
    output = dry_run(batch, batch.recipe, SLURM_GPUS_ON_NODE=4, SLURM_TASKS_PER_NODE="4(x2)")[1]
    assert "--gpus-per-task=1" in output and "idle" not in output
    code, output = dry_run(batch, batch.recipe, SLURM_GPUS_ON_NODE=2, SLURM_TASKS_PER_NODE="2,4(x3)")
    assert code == 2 and "use --ntasks-per-node=2" in output
    assert "2 GPUs on a node for 1 tasks: the others stay idle" in dry_run(batch, batch.recipe, SLURM_GPUS_ON_NODE=2)[1]


def test_mpirun_notices_a_cut_link_unless_told_otherwise(batch):
    output = dry_run(batch, "--launcher", "mpirun", batch.recipe, OMPI_MCA_oob_tcp_keepalive_intvl=9)[1]
    assert "OMPI_MCA_oob_tcp_keepalive_time=5\n" in output and "OMPI_MCA_oob_tcp_keepalive_intvl=9\n" in output


def test_each_job_of_an_array_has_its_seed_and_folder(batch):
    output = dry_run(batch, batch.recipe, SLURM_ARRAY_TASK_ID=3)[1]
    assert f"--run {batch.run}/seed-3 --seed 3 " in output
    assert "--run other/seed-3 --seed 3 " in dry_run(batch, batch.recipe, "--run", "other", SLURM_ARRAY_TASK_ID=3)[1]
    for given in (["--seed", 5], ["--seed=5"]):
        code, output = dry_run(batch, batch.recipe, *given, SLURM_ARRAY_TASK_ID=3)
        assert code == 2 and "leave out one of --array and --seed" in output
    assert "--seed 5 " in dry_run(batch, batch.recipe, "--seed", 5)[1]


@pytest.mark.parametrize("arguments, environment, said", [
    ([], {"SLURM_JOB_ID": None}, "this is not a Slurm job; submit it with sbatch, or add --dry-run"),
    ([], {"CONVOY": "/nowhere/convoy"}, "/nowhere/convoy: no such program"),
    (["nowhere.cfg"], {}, "nowhere.cfg: cannot be read"),
    (["--batch", "4"], {}, "run is missing"),
    (["--launcher", "ssh", "--run", "x"], {}, "--launcher ssh: neither srun nor mpirun"),
])
def test_what_cannot_be_run_is_told_in_one_line(batch, arguments, environment, said):
    code, output = batch(*arguments, **environment)
    assert code == 2 and len(output.splitlines()) == 1 and output.startswith("train.sbatch: ") and said in output
    assert batch.calls.read_text() == ""


def test_help_tells_all_exit_codes():
    text = subprocess.run([TRAIN, "--help"], capture_output=True, text=True).stdout
    told = text[text.index("Exit codes"):]
    assert {int(number) for number in re.findall(r"\b(\d+) [a-z]", told)} == {0, 2, 3, 4, 5, 6, 7, 75}
