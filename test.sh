#!/usr/bin/env bash
# Install what the tests need, check the code, run the tests.
#   ./test.sh           linters, types, then all tests but the long proofs
#   ./test.sh --full    with the long proofs
#   ./test.sh ARGS…     only pytest, with these arguments: ./test.sh tests/web -k access
# With CI=true a real peer (PostgreSQL, Chromium, Podman…) that cannot be brought up fails its tests; without, it skips them.
set -euo pipefail
cd "$(dirname "$0")"

sudo=()
debian=(python3-venv postgresql chromium fonts-liberation bubblewrap podman runc netavark debootstrap
  busybox-static shellcheck systemd)
command -v node >/dev/null && command -v npm >/dev/null || debian+=(nodejs npm)

missing() {  # which of these Debian packages are not installed
  comm -23 <(printf '%s\n' "$@" | sort) \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' | sort)
}
apt() {  # quiet, unless it fails
  mkdir -p .cache
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
    >.cache/apt.log 2>&1 || { cat .cache/apt.log >&2; return 1; }
}
install_debian() {
  local packages=()
  command -v dpkg-query >/dev/null || { echo "Not Debian: install the likes of ${debian[*]} yourself." >&2; return; }
  mapfile -t packages < <(missing "${debian[@]}")
  ((${#packages[@]})) || return 0
  if ((EUID)); then
    sudo=(sudo -n)
    "${sudo[@]}" true 2>/dev/null || { echo "Not installed, and not root: ${packages[*]}" >&2; return; }
  fi
  echo "Installing ${packages[*]}…" >&2
  apt update && apt install --yes --no-install-recommends "${packages[@]}"
}
install_node() {
  local stamp=node_modules/.installed sum
  sum=$(cksum <package-lock.json)
  [[ $(cat "$stamp" 2>/dev/null) == "$sum" ]] && return
  npm ci --ignore-scripts --silent
  echo "$sum" >"$stamp"
}
check() {
  echo "== $*" >&2
  PATH=$PWD/.venv/bin:$PWD/node_modules/.bin:$PATH "$@"
}
lint() {
  check ruff check -q .
  check ruff format -q --check .
  check mypy
  check djlint templates --quiet --lint
  check stylelint 'static/**/*.css'
  check shellcheck ./*.sh .ci/run
}

install_debian
./setup.sh --dev --no-migrate
install_node

all=(-n auto --maxprocesses 4 --dist loadgroup)  # real peers are many processes: more workers would starve them
case ${1:-} in
  "") lint; set -- "${all[@]}" ;;
  --full) lint; set -- "${all[@]}" -m 'full or not full' "${@:2}" ;;
esac
exec .venv/bin/python -m pytest "$@"
