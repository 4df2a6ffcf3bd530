# The image of server, operator and task Pods. Build your own tools on top of it: see docs/cluster.md.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python -m venv /opt/mcptasks
# Dependencies first: they change less often than the code.
COPY requirements.lock ./
RUN /opt/mcptasks/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY examples examples
COPY server server
COPY embedded embedded
COPY operator operator
RUN /opt/mcptasks/bin/pip install --no-cache-dir --no-deps . \
    && find /opt/mcptasks -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/mcptasks/bin/python -m compileall -q /opt/mcptasks/lib

FROM ${BASE_IMAGE}
COPY --from=build /opt/mcptasks /opt/mcptasks
ENV PATH=/opt/mcptasks/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# As numbers, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["mcptasks"]
CMD ["--help"]
