# NVIDIA's Triton with the bacctl models, for GPUs. Research use only.
#
# Never built nor run by its authors, who had no GPU and no container engine: see docs/deploy.md.
#
#   docker build -f docker/server.Dockerfile -t bacctl-server .
#   docker run --rm --gpus 1 --read-only --tmpfs /tmp --shm-size 2g -v bacctl-engines:/engines \
#       -p 127.0.0.1:8001:8001 bacctl-server
#
# The first start on a kind of GPU builds the TensorRT engine, which takes minutes, and keeps it in /engines.
# --shm-size: server and models pass images through /dev/shm, where Docker gives 64 MB. A large mammogram takes
# up to 192 MB of it in each of the seven Python instances of this configuration, which keep it.
#
# --build-arg TORCH=2.13 adds PyTorch, for -e BACCTL_SERVE_MODEL_CONFIG=torch: half precision without TensorRT.
#
# 26.07 is the oldest release to be used: earlier ones have published weaknesses that are mended in it, such as
# CVE-2026-16497 (NVIDIA's bulletin of September 2026), by which anybody who reaches the server can stop it.
ARG DEBIAN=debian:12.15-slim
ARG TRITON=nvcr.io/nvidia/tritonserver:26.11-py3

FROM ${DEBIAN} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY docker/requirements/build.txt /tmp/requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install -r /tmp/requirements/build.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY imaging imaging
COPY phantom phantom
COPY training training
COPY export export
COPY model_repository model_repository
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel .

FROM ${TRITON} AS installed
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_BREAK_SYSTEM_PACKAGES=1 PYTHONDONTWRITEBYTECODE=1
# The server's own Python, since that is the one which its stub takes. NumPy is not bound here: the stubs of
# this release were built for NumPy 2.
COPY docker/requirements/server.txt /tmp/requirements/
# Ubuntu's own Python packages list no files, so that pip cannot take them away and would end there: the pinned
# ones are laid before them, into /usr/local. Each with the lines of its digests, which are indented.
RUN ubuntu="$(pip list --path /usr/lib/python3/dist-packages --format freeze | cut -d = -f 1 | tr 'A-Z_' 'a-z-' | paste -s -d '|')" \
    && awk -v names="^(${ubuntu})==" '/^[^ ]/ { is_of_ubuntu = $0 ~ names } is_of_ubuntu' \
        /tmp/requirements/server.txt > /tmp/requirements/ubuntu.txt \
    && pip install --ignore-installed --no-deps -r /tmp/requirements/ubuntu.txt \
    && pip install -r /tmp/requirements/server.txt
ARG TORCH=
RUN if [ -n "$TORCH" ]; then pip install "torch==$TORCH.*"; fi
# TensorRT's Python bindings in the version of the libraries that Triton is linked with, for the same CUDA.
RUN version="${TRT_VERSION:-$(dpkg-query -W -f '${Version}\n' 'libnvinfer[0-9]*' | head -n 1)}" \
    && number="$(echo "$version" | grep -oE '^[0-9]+[.][0-9]+[.][0-9]+')" \
    && cuda="$(echo "$CUDA_VERSION" | grep -oE '^[0-9]+')" \
    && echo "TensorRT $number, CUDA $cuda" \
    && pip install --no-deps "tensorrt-cu${cuda}-bindings==${number}.*"
COPY docker/tensorrt_module.py /tmp/tensorrt.py
RUN install -m 644 /tmp/tensorrt.py "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && rm /tmp/tensorrt.py
COPY --from=build /tmp/wheel /tmp/wheel
RUN pip install --no-deps /tmp/wheel/*.whl \
    && rm -r /tmp/wheel \
    && pip freeze --all > /tmp/packages.txt

# The bill of materials of everything that Python brings, in CycloneDX; its tool has no place in the image.
FROM build AS materials
COPY --from=installed /tmp/packages.txt /tmp/packages.txt
RUN /opt/build/bin/cyclonedx-py requirements --of JSON -o /tmp/python.cdx.json /tmp/packages.txt

FROM installed
LABEL org.opencontainers.image.title="bacctl-server" \
      org.opencontainers.image.description="Breast arterial calcification on mammograms, Triton on a GPU. Research use only." \
      org.opencontainers.image.licenses="Apache-2.0"
# Root owns the models and nobody else may write them. The engines are the server's own.
COPY --chmod=755 model_repository /models
COPY docker/entrypoint.py docker/healthcheck.py /opt/bacctl/
COPY --from=materials /tmp/python.cdx.json /opt/bacctl/sbom/python.cdx.json
RUN install -d -o 1000 -g 1000 /engines
VOLUME ["/engines"]
ENV BACCTL_SERVE_MODEL_CONFIG=gpu PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /tmp
EXPOSE 8001 8002
HEALTHCHECK --interval=30s --timeout=30s --start-period=20m --retries=3 \
    CMD ["python3", "/opt/bacctl/healthcheck.py"]
# The image's own entry point stays before it: it looks after the driver's libraries.
CMD ["python3", "/opt/bacctl/entrypoint.py"]
