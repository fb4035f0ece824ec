# The first stage downloads what constraints-run.txt names, checks every hash, and installs from
# these files alone; the second takes the finished environment and none of the tools.
#
# A tag may be another image tomorrow, so the digest decides. It is what 3.11-slim-bookworm (3.11.16)
# was on 2026-09-22. For the present one: docker buildx imagetools inspect python:3.11-slim-bookworm
FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
WORKDIR /src
COPY constraints-run.txt .
RUN pip wheel --no-cache-dir --no-deps --require-hashes --wheel-dir /wheels -r constraints-run.txt
COPY pyproject.toml README.md LICENSE ./
COPY lua lua
COPY docs docs
COPY service service
RUN pip wheel --no-cache-dir --no-deps --no-index --find-links /wheels --wheel-dir /wheels . \
 && python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links /wheels message-tracker

FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
RUN useradd --system --uid 10001 --user-group --no-create-home tracker \
 && install -d -o tracker -g tracker -m 0700 /data
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRACKER_DATA_DIR=/data \
    TRACKER_HTTP__HOST=0.0.0.0 \
    TRACKER_HTTP__PORT=8080
# A config.toml may be mounted here.
WORKDIR /app
# By number, so that Kubernetes can tell that it is not root.
USER 10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Not urllib: it would ask a proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['TRACKER_HTTP__PORT']), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["message-tracker"]
