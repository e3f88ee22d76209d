# Lattice in a container: one process, not root, a read-only root file system, everything it keeps in /data.
# ./docker-run.sh builds and runs it with Docker or Podman.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /opt/lattice
COPY requirements.lock ./
# Two secrets that may be absent, for a network with its own package index or certificates: neither stays in a layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/certificates.pem \
    if [ -s /run/certificates.pem ]; then export PIP_CERT=/run/certificates.pem; fi; \
    python3 -m venv /tmp/pip \
    && python3 -m venv --without-pip .venv \
    && /tmp/pip/bin/pip --python .venv/bin/python install --quiet --disable-pip-version-check --no-cache-dir \
       --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY . ./
RUN printf '#!/bin/sh\nexec /opt/lattice/.venv/bin/python -P -m app.cli.main "$@"\n' >.venv/bin/lattice \
    && chmod 755 .venv/bin/lattice \
    && .venv/bin/python -m compileall -q app migrations

FROM ${BASE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin lattice \
    && install -d -o lattice -g lattice -m 0700 /data
COPY --from=build /opt/lattice /opt/lattice
ENV PATH=/opt/lattice/.venv/bin:$PATH \
    PYTHONPATH=/opt/lattice \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    LATTICE_DATA_DIR=/data \
    LATTICE_IN_CONTAINER=true
WORKDIR /opt/lattice
USER lattice
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-I", "-S", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["lattice"]
CMD ["server", "serve", "--migrate"]
