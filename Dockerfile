# The image of server, operator and task Pods. Build your own tools on top of it: see docs/cluster.md.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python -m venv /opt/mcptasks
# Dependencies first: they change less often than the code.
COPY requirements.lock requirements-build.lock ./
RUN /opt/mcptasks/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock
# The build back end stays out of the image.
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY examples examples
COPY server server
COPY embedded embedded
COPY operator operator
# The repository's history is not here. Without these, the version is one on the way to the changelog's next release.
ARG MCPTASKS_VERSION=""
ARG MCPTASKS_COMMIT=""
ARG MCPTASKS_REPOSITORY=""
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /opt/build/wheels . \
    && /opt/mcptasks/bin/python -m pip install --no-cache-dir --no-deps --no-index /opt/build/wheels/*.whl \
    && find /opt/mcptasks -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/mcptasks/bin/python -m compileall -q /opt/mcptasks/lib

FROM ${BASE_IMAGE}
COPY --from=build /opt/mcptasks /opt/mcptasks
# Many libraries ask for the user's name and put caches into its home. An entry for the user id that is the default below, and
# variables for any other, as OpenShift chooses them; the root is read-only in Pods, /tmp is not.
RUN grep -q '^[^:]*:[^:]*:65532:' /etc/group || echo 'mcptasks:x:65532:' >> /etc/group; \
    grep -q '^[^:]*:[^:]*:65532:' /etc/passwd || echo 'mcptasks:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
ENV HOME=/tmp USER=mcptasks LOGNAME=mcptasks
ENV PATH=/opt/mcptasks/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# As numbers, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["mcptasks"]
CMD ["--help"]
