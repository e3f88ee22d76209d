#!/bin/sh
# Build the container image and run it, with Docker or Podman (CONTAINER_ENGINE=… chooses).
#   ./docker-run.sh build-and-run           both
#   ./docker-run.sh build [OPTION…]         the image; options go to the engine's build
#   ./docker-run.sh run [OPTION…]           the container, replacing a running one; options go to the engine's run
#   ./docker-run.sh logs                    follow its output
#   ./docker-run.sh stop                    stop it gracefully; what it keeps stays in its volume
# Settings come from .env (ENV_FILE=… names another). It listens on PORT, and keeps everything in the volume lattice-data.
set -eu
cd "$(dirname "$0")"
image=${LATTICE_IMAGE:-lattice} name=${LATTICE_CONTAINER:-lattice} volume=${LATTICE_VOLUME:-lattice-data}
settings=${ENV_FILE:-.env}

die() { echo "$*" >&2; exit 1; }
works() { command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1; }
choose_engine() {
  for candidate in ${CONTAINER_ENGINE:-docker podman}; do
    if works "$candidate"; then echo "$candidate"; return; fi
  done
  die "Neither Docker nor Podman answers here: install one, or start its service."
}
port() {  # from the environment, else from the file, where it may stand in quotes, before a comment
  value=${PORT:-$(sed -n "s/^ *\(export \)\{0,1\} *PORT *= *[\"']\{0,1\}\([0-9]*\).*/\2/p" "$settings" 2>/dev/null | tail -n 1)}
  echo "${value:-8000}"
}

build() {
  # A network with its own package index or certificates: lend them to the build, and keep them out of the image.
  pip=${PIP_CONFIG_FILE:-/etc/pip.conf} certificates=${PIP_CERT:-${SSL_CERT_FILE:-}}
  if [ -f "$pip" ]; then set -- --secret "id=pip.conf,src=$pip" "$@"; fi
  if [ -f "$certificates" ]; then set -- --secret "id=certificates,src=$certificates" "$@"; fi
  case $("$engine" --version) in podman*) set -- --format docker "$@" ;; esac  # the format that has health checks
  DOCKER_BUILDKIT=1 "$engine" build --tag "$image" "$@" .
}

run() {
  port=$(port)
  "$engine" stop -t 20 "$name" >/dev/null 2>&1 || true
  "$engine" rm "$name" >/dev/null 2>&1 || true
  if [ -f "$settings" ]; then set -- --env-file "$settings" "$@"; fi
  "$engine" run --detach --name "$name" --restart unless-stopped --stop-timeout 20 \
    --read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges \
    --volume "$volume:/data" --publish "$port:$port" "$@" \
    --env HOST=0.0.0.0 --env "PORT=$port" --env LATTICE_DATA_DIR=/data "$image" >/dev/null
  waited=0
  until "$engine" logs "$name" 2>/dev/null | grep -q http; do  # it says where it is to be found
    waited=$((waited + 1))
    if [ $waited -gt 60 ] || [ "$("$engine" inspect --format '{{.State.Status}}' "$name")" != running ]; then
      "$engine" logs "$name" >&2
      die "It did not start."
    fi
    sleep 0.5
  done
  sleep 0.2  # and how to sign in, a moment later
  "$engine" logs "$name"
}

command=${1:---help}
[ $# = 0 ] || shift
case $command in
  build | run | build-and-run | logs | stop) engine=$(choose_engine) ;;
esac
case $command in
  build) build "$@" ;;
  run) run "$@" ;;
  build-and-run) build && run "$@" ;;
  logs) exec "$engine" logs --follow "$name" ;;
  stop) "$engine" stop -t 20 "$name" ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0"; [ "$command" = --help ] ;;
esac
