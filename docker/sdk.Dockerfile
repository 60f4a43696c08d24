# The bacctl command for batch jobs against a server elsewhere. Research use only.
#
#   docker build -f docker/sdk.Dockerfile -t bacctl .
#   docker run --rm --read-only --tmpfs /tmp --user "$(id -u):$(id -g)" -e BACCTL_URL=server:8001 \
#       -v /data:/data bacctl analyze /data/exam --out /data/results
ARG DEBIAN=debian:12.15-slim

FROM ${DEBIAN} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY docker/requirements/build.txt docker/requirements/sdk.txt /tmp/requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -r /tmp/requirements/build.txt
# The dependencies are a layer of their own, which changes with their pins only.
RUN python3 -m venv /opt/bacctl && /opt/bacctl/bin/pip install -r /tmp/requirements/sdk.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY imaging imaging
COPY phantom phantom
COPY training training
COPY export export
COPY model_repository model_repository
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/bacctl/bin/pip install --no-deps /tmp/wheel/*.whl \
    && /opt/bacctl/bin/pip check
# The bill of materials of everything that Python brings, in CycloneDX.
RUN mkdir /opt/bacctl/sbom \
    && /opt/build/bin/cyclonedx-py environment --of JSON -o /opt/bacctl/sbom/python.cdx.json /opt/bacctl/bin/python

FROM ${DEBIAN}
LABEL org.opencontainers.image.title="bacctl" \
      org.opencontainers.image.description="Client and command of bacctl. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin bacctl
COPY --from=build /opt/bacctl /opt/bacctl
ENV PATH=/opt/bacctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["bacctl"]
CMD ["--help"]
