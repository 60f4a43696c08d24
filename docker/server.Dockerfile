# Triton with the bacctl models for a GPU. Research use only.
#
# Written from documentation; neither built nor run by its authors, who had no GPU and no image registry.
#
#   docker build -f docker/server.Dockerfile -t bacctl-server .
#   docker volume create engines
#   docker run --rm --gpus all --user root -v engines:/engines bacctl-server \
#       bacctl export tensorrt /engines/model.plan --repository /models
#   docker run --rm --gpus all --read-only --tmpfs /tmp --shm-size 1g \
#       -v engines:/engines:ro -p 127.0.0.1:8001:8001 bacctl-server
#
# The engine is built by the image that serves it, on the GPU that serves it: engines fit no other.
FROM nvcr.io/nvidia/tritonserver:26.11-py3

ENV PIP_NO_CACHE_DIR=1 PIP_BREAK_SYSTEM_PACKAGES=1 PYTHONDONTWRITEBYTECODE=1

# TensorRT's Python module in the version of the libraries that Triton was linked with.
RUN version="$(dpkg-query -W -f '${Version}\n' 'libnvinfer[0-9]*' | head -n 1 | cut -d- -f1)" \
    && echo "TensorRT $version" \
    && pip install "tensorrt==${version%.*}.*"

COPY . /src
# The server extra is not wanted: it brings the embedded server of laptops and holds NumPy below 2.
RUN pip install "/src[dicom]" "scikit-image>=0.22" "scipy>=1.11" "tifffile>=2024.1" \
    && cp -r /src/model_repository /models \
    && ln -s /engines/model.plan /models/bac_segment/1/model.plan \
    && rm -rf /src \
    && mkdir /engines \
    && chmod -R a+rX,go-w /models

USER triton-server
EXPOSE 8001 8002

# No HTTP, no loading of models from outside; clients' shared memory is off by default. Publish the port to
# addresses that may use it; a gateway in front adds TLS and accounts.
CMD ["tritonserver", \
     "--model-repository=/models", \
     "--model-config-name=gpu", \
     "--model-control-mode=none", \
     "--disable-auto-complete-config", \
     "--allow-http=false", \
     "--backend-config=python,shm-growth-byte-size=67108864"]
