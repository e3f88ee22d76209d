#!/bin/sh
# Set Lattice up in this folder: .venv from the lock file, .env from the example, the database's schema.
#   ./setup.sh                what is missing of that; does nothing the second time
#   ./setup.sh --dev          also what the linters and tests need
#   ./setup.sh --no-migrate   leaves the database alone
# PYTHON=… chooses the Python; otherwise the newest suitable one found is taken.
set -eu
cd "$(dirname "$0")"
lock=requirements.lock migrate=yes
for argument in "$@"; do
  case $argument in
    --dev) lock=requirements-dev.lock ;;
    --no-migrate) migrate=no ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0"; [ "$argument" = --help ]; exit ;;
  esac
done

die() { echo "$*" >&2; exit 1; }
sum() { cksum <"$1"; }
fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_venv() { [ -n "$uv" ] || "$1" -c 'import ensurepip, venv' 2>/dev/null; }

choose_python() {  # prints one that is new enough and can make a virtual environment
  found=
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    fits "$candidate" || continue
    found=$candidate
    if has_venv "$candidate"; then echo "$candidate"; return; fi
  done
  [ -n "$found" ] || die "Lattice needs Python 3.11 or newer, and $(too_old)."
  version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  die "$found cannot make virtual environments: install its venv package (on Debian: apt-get install python$version-venv), or uv."
}
too_old() {
  oldest=${PYTHON:-python3}
  version=$("$oldest" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
  if [ -n "$version" ]; then echo "$oldest here is $version"; else echo "no $oldest is here"; fi
}

make_venv() {
  if fits .venv/bin/python; then return; fi
  python=$(choose_python)
  python=$("$python" -c 'import sys; print(sys.executable)')
  if [ -n "$uv" ]; then "$uv" venv -q --clear --python "$python" .venv
  else "$python" -m venv --clear .venv; fi
}

install_lock() {
  if [ -n "$uv" ]; then
    "$uv" pip install -q --python .venv/bin/python --require-hashes --no-deps --only-binary :all: --compile-bytecode -r "$lock"
  else
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
      --require-hashes --no-deps --only-binary :all: -r "$lock"
  fi
}

install_project() {  # the folder itself on the import path, and the command `lattice`
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo ../../../.. >"$site/lattice.pth"
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/sh' 'exec "$(dirname -- "$(readlink -f -- "$0")")/python" -P -m app.cli.main "$@"' >.venv/bin/lattice
  chmod 755 .venv/bin/lattice
}

stamp=.venv/$lock.sum
if ! { [ -x .venv/bin/python ] && [ -x .venv/bin/lattice ] && [ "$(sum "$lock")" = "$(cat "$stamp" 2>/dev/null)" ]; }; then
  uv=$(command -v uv || true)
  make_venv
  echo "Installing from $lock…" >&2
  install_lock
  install_project
  sum "$lock" >"$stamp"
  # The development lock holds every pin of the other one, so that one is satisfied too.
  if [ "$lock" = requirements-dev.lock ]; then sum requirements.lock >.venv/requirements.lock.sum; fi
fi

[ -e .env ] || (umask 077 && cp .env.example .env)
if [ "$migrate" = yes ]; then .venv/bin/python -m app.cli.main server migrate >/dev/null; fi
