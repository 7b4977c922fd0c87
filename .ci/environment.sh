# Makes the Python environment that ./check, ./demo and ./desk share. Sourced, not run.
#
# One environment and one lock (requirements-dev.lock) serve all: what is shown is what is checked,
# and the second of the commands starts at once. A device installs requirements.lock instead, a
# platform examples/platform/requirements.lock.

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

make_environment() { # the interpreter asked for, or empty; sets $environment, a folder
  local chosen=$1 interpreter="" version wanted stamp
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
  stamp=$environment/kerbwatch.sha256
  wanted=$(cat requirements-dev.lock pyproject.toml examples/platform/pyproject.toml | sha256sum | cut -d' ' -f1)
  if [[ $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
    printf 'installing what requirements-dev.lock names into %s\n' "$environment"
    "$environment/bin/python" -m pip install -qq --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements-dev.lock ||
      refuse "the locked packages could not be installed (is the package index reachable?)"
    "$environment/bin/python" -m pip install -qq --disable-pip-version-check \
      --no-index --no-deps --no-build-isolation -e . -e examples/platform ||
      refuse "kerbwatch itself could not be installed"
    printf '%s\n' "$wanted" >"$stamp"
  fi
  exec 9<&-
}
