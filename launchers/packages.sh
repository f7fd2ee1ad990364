# shellcheck shell=bash
# The packages that Convoy needs on Debian 12, and how they are installed. Sourced by launchers/quickstart, tests/run and
# .ci/run, so that each list stands in one place.

# To build and run.
# shellcheck disable=SC2034  # used by those who source this
build_packages=(
  g++ cmake ninja-build
  openmpi-bin libopenmpi-dev libhdf5-dev libboost-program-options-dev
  libdnnl-dev nlohmann-json3-dev zlib1g-dev libjpeg62-turbo-dev libpng-dev libarchive-dev
)

# The data of the first run.
# shellcheck disable=SC2034
data_packages=(dataset-fashion-mnist)

# Those of the packages given that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      echo "$package"
    fi
  done
}

# Installs what is missing of the packages given, saying so first; does nothing where all are there.
install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "These packages are missing, and installing them needs root: ${missing[*]}" >&2
    echo "Have them installed (apt-get install --no-install-recommends ${missing[*]}), then run this again." >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  # An index may be missing (a fresh system) or old; apt's own words show only when something fails.
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "The packages could not be installed (apt's messages are above); install them by hand: ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}
