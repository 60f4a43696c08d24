# bacctl with the embedded Triton, for machines without a GPU. Research use only.
#
#   docker build -f docker/cpu.Dockerfile -t bacctl-cpu .
#   docker run --rm --read-only --tmpfs /tmp --shm-size 1g -p 127.0.0.1:8001:8001 bacctl-cpu
#
# --shm-size: server and models pass images through /dev/shm, where Docker gives 64 MB; two large mammograms on
# their way through three steps take 512 MB. The embedded server is Triton 2.51, behind on security fixes: keep
# it on one machine, and serve others with server.Dockerfile.
ARG DEBIAN=debian:12.15-slim

FROM ${DEBIAN} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY docker/requirements/build.txt docker/requirements/cpu.txt /tmp/requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -r /tmp/requirements/build.txt
# The dependencies are a layer of their own, which changes with their pins only.
RUN python3 -m venv /opt/bacctl && /opt/bacctl/bin/pip install -r /tmp/requirements/cpu.txt
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
LABEL org.opencontainers.image.title="bacctl-cpu" \
      org.opencontainers.image.description="Breast arterial calcification on mammograms, embedded Triton. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0"
# Triton's Python stub loads libpython, which Debian's python3 does not depend on.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpython3.11 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin bacctl
COPY --from=build /opt/bacctl /opt/bacctl
COPY docker/healthcheck.py /opt/bacctl/healthcheck.py
ENV PATH=/opt/bacctl/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /tmp
EXPOSE 8001 8002
HEALTHCHECK --interval=30s --timeout=30s --start-period=120s --retries=3 \
    CMD ["python3", "/opt/bacctl/healthcheck.py"]
# It sends itself a test image every half minute too, and starts the server again where that fails.
CMD ["bacctl", "serve", "--host", "0.0.0.0", "--metrics-port", "8002"]
