# Makes the Python environment that ./check, ./demo and ./desk share. Sourced, not run.
#
# One environment and one lock (requirements-dev.lock) serve all: what is shown is what is checked.
# ./demo and ./desk install only what runs (the packages of a device's and a platform's own locks,
# requirements.lock and examples/platform/requirements.lock); ./check adds what checks.

readonly oldest_python="3.11"

refuse() {
  printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
  exit "${2:-1}"
}

apt_install() {
  # Reads nothing from the terminal and starts no service: a broker that the tests start
  # themselves must not also be started by its package. Services that run already stay untouched.
  local policy=/usr/sbin/policy-rc.d ours=0 result=0
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=1
  fi
  {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" ||
      { apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }
  } >/dev/null 2>&1 </dev/null || result=$?
  if ((ours)); then rm -f "$policy"; fi
  return "$result"
}

may_apt_install() {
  [[ $EUID -eq 0 && -z ${KERBWATCH_NO_APT:-} ]] && command -v apt-get >/dev/null
}

need_packages() { # what for, then the Debian packages
  local purpose=$1
  shift
  if may_apt_install; then
    printf 'installing for %s: %s\n' "$purpose" "$*"
    apt_install "$@" && return 0
  fi
  refuse "$purpose needs: $*
  Install with:  sudo apt-get install --no-install-recommends $*"
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() { # the interpreter asked for, or empty; sets $interpreter
  local candidate
  if [[ -n $1 ]]; then
    is_new_enough "$1" || refuse "$1 is not Python $oldest_python or newer" 2
    interpreter=$1
    return
  fi
  for candidate in python3 python3.11 python3.13 python3.12; do
    if is_new_enough "$candidate"; then
      interpreter=$candidate
      return
    fi
  done
  need_packages "Python $oldest_python" python3 python3-venv
  is_new_enough python3 || refuse "this system's python3 is older than $oldest_python; name one with --python PATH"
  interpreter=python3
}

readonly shown_too="editables hatchling iotcore packaging pathspec pluggy tomlkit trove-classifiers"
# Beside a device's and a platform's own: the demo's broker, and what installs this tree in place.

only_shown() { # the part of requirements-dev.lock that runs, without what checks; pip is there already
  awk -v too="$shown_too" '
    BEGIN { count = split(too, names, " "); for (n = 1; n <= count; n++) wanted[names[n]] }
    { named = match($0, /^[a-z0-9._-]+/) ? substr($0, 1, RLENGTH) : "" }
    FILENAME != "requirements-dev.lock" { if (named) wanted[named]; next }
    named { taken = named in wanted && named != "pip" }
    taken' requirements.lock examples/platform/requirements.lock requirements-dev.lock
}

pip_install() {
  "$environment/bin/python" -m pip install -qq --disable-pip-version-check --no-deps "$@"
}

install_locked() { # a lock; into $environment
  # Two at a time, halves of one list that needs no resolving: while one waits for the network the other
  # unpacks. pip itself comes last, alone: nobody may be at work with what it replaces.
  local locked=(--no-compile --require-hashes --only-binary :all:) parts n failed=0 running=()
  parts=$(mktemp -d)
  awk -v parts="$parts" '
    /^[a-z0-9]/ { part = /^pip==/ ? "last" : ++n % 2 }
    { print >(parts "/" part) }' "$1"
  for n in 0 1; do
    pip_install "${locked[@]}" -r "$parts/$n" &
    running+=($!)
  done
  trap 'kill "${running[@]}" 2>/dev/null; rm -rf "$parts"; exit 130' INT TERM
  for n in "${running[@]}"; do wait "$n" || failed=1; done
  trap - INT TERM
  if ((!failed)) && [[ -e $parts/last ]]; then pip_install "${locked[@]}" -r "$parts/last" || failed=1; fi
  rm -rf "$parts"
  return "$failed"
}

has_packages() { # $1, a stamp's name: whether $environment has what it stands for
  [[ $(cat "$environment/$1" 2>/dev/null) == "$wanted" ]]
}

make_environment() { # the interpreter asked for, or empty; sets $environment, a folder
  find_environment "$1"
  fill_environment checked
}

find_environment() { # the interpreter asked for, or empty; makes $environment, a folder, without packages
  local chosen=$1 interpreter="" version
  exec 9<"$PWD"
  flock 9 # two of these at once would write the same folder
  find_python "$chosen"
  environment=.venv
  if [[ -n $chosen ]]; then
    version=$("$interpreter" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    environment=.venv-$version
  fi
  if [[ ! -x $environment/bin/python ]]; then
    if ! "$interpreter" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      need_packages "a virtual environment" python3-venv
    fi
    printf 'making %s with %s\n' "$environment" "$("$interpreter" --version)"
    "$interpreter" -m venv "$environment" || refuse "could not make $environment with $interpreter"
  fi
  is_new_enough "$environment/bin/python" ||
    refuse "$environment holds a Python older than $oldest_python; remove it and start again"
}

fill_environment() { # shown: what runs; checked: what checks, too. Installs what $environment lacks of it
  local wanted stamp=kerbwatch.sha256 lock=requirements-dev.lock
  if [[ $1 == shown ]]; then unset PYTHONDONTWRITEBYTECODE; fi # packages are compiled when they are first loaded, and once
  wanted=$(cat requirements-dev.lock pyproject.toml examples/platform/pyproject.toml | sha256sum | cut -d' ' -f1)
  if ! has_packages kerbwatch.sha256 && { [[ $1 != shown ]] || ! has_packages kerbwatch-shown.sha256; }; then
    printf 'installing what requirements-dev.lock names into %s\n' "$environment"
    if [[ $1 == shown ]]; then
      stamp=kerbwatch-shown.sha256
      lock=$environment/kerbwatch-shown.lock
      only_shown >"$lock"
    fi
    install_locked "$lock" ||
      refuse "the locked packages could not be installed (is the package index reachable?)"
    pip_install --no-index --no-build-isolation -e . -e examples/platform ||
      refuse "kerbwatch itself could not be installed"
    if [[ $1 == checked ]]; then
      # Warnings of others' sources come at compiling: here, and not as errors of a test that imports them first.
      "$environment/bin/python" -m compileall -q -j 0 "$environment"/lib/python*/site-packages >/dev/null 2>&1 || true
    fi
    printf '%s\n' "$wanted" >"$environment/$stamp"
  fi
  exec 9<&-
}
