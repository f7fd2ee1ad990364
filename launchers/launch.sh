# shellcheck shell=bash
# What launchers/local, launchers/mpirun/* and launchers/start-worker share: errors, cores and GPUs of a worker, and a
# supervisor for mpirun. Sourced; `launcher` is the name that messages begin with.
# shellcheck disable=SC2034,SC2154  # variables are set here and used there, or the other way round

# HOSTNAME may come from another host, with the environment.
host_name=$(uname -n)
convoy_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$launcher" "$*" >&2; }

# One line on standard error, and the code of a wrong usage.
refuse() {
  say "$@"
  exit 2
}

# The exit of an unknown or misplaced word in front of `--`.
refuse_word() {
  case $1 in
    train | eval | bench | import | inspect | net)
      refuse "the program's words come after a --, as in: $launcher ... -- $1 ..." ;;
    *) refuse "unknown argument $1; see $launcher --help" ;;
  esac
}

need_value() { # OPTION NUMBER-OF-WORDS
  [ "$2" -ge 2 ] || refuse "$1 needs a value; see $launcher --help"
}

need_count() { # OPTION VALUE
  [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || refuse "$1 $2 is not a positive number; see $launcher --help"
}

# The program, and that it is there. A bundle (launchers/bundle) brings an mpirun along.
find_program() {
  program=$convoy_root/build/release/convoy
  if [ -x "$convoy_root/bin/convoy" ]; then
    program=$convoy_root/bin/convoy
    PATH=$convoy_root/bin:$PATH
  fi
  program=${CONVOY_BINARY:-$program}
  [ -x "$program" ] ||
    refuse "there is no program $program; build it (launchers/quickstart does) or name one in CONVOY_BINARY"
}

# ---- cores and GPUs ----

# "0-2,5" as numbers, one a line.
expand_cpus() {
  local part
  for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}

# Numbers of the arguments as "0-2,5".
compact_cpus() {
  local first="" last="" cpu text=""
  for cpu in "$@" end; do
    if [ -n "$last" ] && [ "$cpu" = $((last + 1)) ]; then
      last=$cpu
      continue
    fi
    if [ -n "$first" ]; then
      text+=,$first
      [ "$first" = "$last" ] || text+=-$last
    fi
    first=$cpu last=$cpu
    [ "$cpu" != end ] || break
  done
  echo "${text#,}"
}

allowed_cpus() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status; }

# The CPUs this process may use, one core a line (its hardware threads side by side), cores of a NUMA node together.
list_cores() {
  local allowed
  allowed=" $(expand_cpus "$(allowed_cpus)" | tr '\n' ' ')"
  local table
  table=$(lscpu -p=CPU,CORE,NODE 2>/dev/null | grep -v '^#' || true)
  if [ -z "$table" ]; then
    # No lscpu: every CPU counts as a core.
    tr ' ' '\n' <<<"$allowed" | grep . | sort -n
    return
  fi
  sort -t, -k3,3n -k2,2n -k1,1n <<<"$table" | awk -F, -v allowed="$allowed" '
    index(allowed, " " $1 " ") == 0 { next }
    { key = $3 "," $2 }
    key != last && line != "" { print line; line = "" }
    { line = line == "" ? $1 : line " " $1; last = key }
    END { if (line != "") print line }'
}

# Sets cpus_of[0..WORKERS-1], a CPU list for each, and shared=yes where workers must share CPUs. All shares are equal,
# because all workers wait for the slowest; whole cores where they suffice, else single hardware threads.
share_cores() { # WORKERS
  local workers=$1 units worker
  cpus_of=() shared=no
  mapfile -t units < <(list_cores)
  core_count=${#units[@]}
  if [ "$workers" -gt ${#units[@]} ]; then mapfile -t units < <(printf '%s\n' "${units[@]}" | tr ' ' '\n'); fi
  if [ "$workers" -gt ${#units[@]} ]; then shared=yes; fi
  local each=$((${#units[@]} / workers)) part
  for ((worker = 0; worker < workers; ++worker)); do
    if [ $shared = yes ]; then
      # Pinned, two would have to share one core while others have one of their own; the kernel does better.
      part=("${units[@]}")
    else
      # Spread, so that what is left over lies between the workers and NUMA nodes are not straddled.
      part=("${units[@]:worker * ${#units[@]} / workers:each}")
    fi
    # shellcheck disable=SC2046  # words are what is wanted
    cpus_of[worker]=$(compact_cpus $(tr ' ' '\n' <<<"${part[*]}" | sort -n))
  done
}

# The GPUs this process may use, one a line, as CUDA_VISIBLE_DEVICES takes them.
list_gpus() {
  if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
    tr -s '[:space:],' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -vE '^(-1|NoDevFiles)?$' || true
  elif command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | grep -E '^[0-9]+$' || true
  fi
}

# Sets gpu_of[0..WORKERS-1] ("" for none) and shared_gpus=yes where workers must share.
share_gpus() { # WORKERS
  local workers=$1 gpus worker
  gpu_of=() shared_gpus=no
  mapfile -t gpus < <(list_gpus)
  if [ "$workers" -gt ${#gpus[@]} ] && [ ${#gpus[@]} -gt 0 ]; then shared_gpus=yes; fi
  for ((worker = 0; worker < workers; ++worker)); do
    gpu_of[worker]=""
    [ ${#gpus[@]} -eq 0 ] || gpu_of[worker]=${gpus[worker % ${#gpus[@]}]}
  done
}

mapping_line() { # WORKER CPUS GPU
  local noun=core
  [[ $2 =~ [-,] ]] && noun=cores
  printf 'worker %s: %s %s, %s\n' "$1" "$noun" "$2" "${3:+GPU }${3:-no GPU}"
}

warn_of_sharing() { # WORKERS WHERE
  if [ "$shared" = yes ]; then
    local cores="$core_count cores"
    [ "$core_count" != 1 ] || cores="one core"
    say "warning: $1 workers share $cores $2 and slow each other down"
  fi
  if [ "$shared_gpus" = yes ]; then say "warning: $1 workers share $(list_gpus | wc -l) GPUs $2; Convoy refuses that without --share-gpu on"; fi
}

# ---- the command ----

# Adds to `settings`, the workers' environment, what both launchers give. mpirun hands the workers a pipe; the width tells
# them that a terminal is at its end.
usual_settings() { # LOG-DIR
  if [ -n "$1" ]; then settings+=("CONVOY_LOG_DIR=$1"); fi
  if [ -t 2 ]; then settings+=("CONVOY_TERMINAL_WIDTH=$(tput cols 2>/dev/null || echo 80)"); fi
}

# The words as a shell takes them, on one line.
print_command() {
  local word text=""
  for word in "$@"; do
    [[ $word =~ ^[-A-Za-z0-9_./:=,@%+^]+$ ]] || word=${word@Q}
    text+=" $word"
  done
  echo "${text:1}"
}

# ---- mpirun under supervision ----

# The processes below PID that are its direct children; every thread has a list of its own.
children_of() { cat "/proc/$1/task/"*/children 2>/dev/null || true; }

# PID and all below it.
family_of() {
  local child
  echo "$1"
  for child in $(children_of "$1"); do family_of "$child"; done
}

# Ends PID, which no longer answers, and all below it. A signal that it can catch would only make Open MPI 4.1 crash.
end_family() {
  local family
  mapfile -t family < <(family_of "$1")
  kill -KILL "${family[@]}" 2>/dev/null || true
  # What it would have removed itself.
  rm -rf "$session_folder"
}

# Watches mpirun (or its daemon on another node), to be run in the background. Its children are the workers of this node
# and, in mpirun, the connections to the other nodes; all last as long as the job. So when one has ended, the rest
# follows soon. It does not where the network broke: what mpirun sends to a node that is cut off waits for an answer
# for 15 minutes, and no keepalive helps while something waits.
watch_children() { # PID GRACE-IN-SECONDS
  local pid=$1 grace=$2 child ended_at="" now
  local -A seen=()
  while kill -0 "$pid" 2>/dev/null; do
    now=" $(children_of "$pid" | tr '\n' ' ') "
    for child in "${!seen[@]}"; do
      # Helpers that live for a moment do not count.
      if [[ $now != *" $child "* ]] && [ "${seen[$child]}" -ge 3 ]; then ended_at=${ended_at:-$SECONDS}; fi
    done
    for child in $now; do seen[$child]=$((${seen[$child]:-0} + 1)); done
    if [ -n "$ended_at" ] && [ $((SECONDS - ended_at)) -ge "$grace" ]; then
      say "Open MPI did not end within $grace s after a worker or a host was lost; ending it"
      : >"$hang_mark"
      end_family "$pid"
      return
    fi
    sleep 0.5
  done
}

# Runs the command in a session of its own, so that Ctrl-C reaches only this script, and hands signals on.
start_mpirun() { # GRACE COMMAND...
  local grace=$1
  shift
  hang_mark=$(mktemp -u) stops=0
  trap 'stop_workers INT' INT
  trap 'stop_workers TERM' TERM
  trap 'stop_workers HUP' HUP
  trap 'stop_workers USR1' USR1
  # If this script is killed, the workers save and end.
  setsid setpriv --pdeathsig USR1 "$@" </dev/null &
  mpirun_pid=$!
  session_folder=${session_folder:-${TMPDIR:-/tmp}/ompi.${host_name%%.*}.$UID/pid.$mpirun_pid}
  (
    trap '' INT TERM HUP USR1
    watch_children "$mpirun_pid" "$grace"
  ) </dev/null >/dev/null &
  watcher_pid=$!
}

# To SIGTERM and SIGINT mpirun itself gives the workers 2 s, too short to save; SIGUSR1 it just hands on.
stop_workers() { # SIGNAL
  stops=$((stops + 1))
  if [ "$1" = INT ] && [ "$stops" -gt 1 ]; then
    say "ending at once"
    end_family "$mpirun_pid"
    return
  fi
  kill -USR1 "$mpirun_pid" 2>/dev/null || true
}

# Waits for mpirun's end, and sets `code` to one of README.md's "Exit codes".
finish_mpirun() {
  # A signal interrupts `wait`.
  while
    code=0
    # Bash would tell the world how a killed process was started.
    wait "$mpirun_pid" 2>/dev/null || code=$?
    kill -0 "$mpirun_pid" 2>/dev/null
  do :; done
  kill "$watcher_pid" 2>/dev/null || true
  wait "$watcher_pid" 2>/dev/null || true
  if [ -e "$hang_mark" ]; then
    rm -f "$hang_mark"
    code=6
  elif [ "$stops" -gt 0 ]; then
    # 138: the signal came before a worker listened for it. Nothing is lost by starting again.
    case $code in 138) code=75 ;; esac
    [ "$stops" -lt 2 ] || [ $code -le 128 ] || code=130
  else
    case $code in
      [0-7] | 75 | 130) ;; # the program's own
      134 | 135 | 136 | 139) say "a worker crashed (signal $((code - 128)))" && code=1 ;;
      137 | 138 | 143) say "a worker was killed (signal $((code - 128))); run again with --resume" && code=6 ;;
      # mpirun's own, or that of a connection to a host.
      *) say "a host cannot be reached any more (mpirun's exit code $code); run again with --resume" && code=6 ;;
    esac
  fi
}
