#!/usr/bin/env bash
# Triton 2.51 that is told to end says NOT_FOUND of the models that it serves, as of a model that it never had
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   between SIGTERM and its end, while a call is under way, new calls are UNAVAILABLE: come again.
# Seen:       NOT_FOUND, which gRPC's retry policies and clients take for a wrong address and never try again. Each
#             planned restart costs some calls. Only the text tells it from a model that is not there.
# Output:     told to end: StatusCode.NOT_FOUND Request for unknown model: 'quick' has no available versions
#             never there: StatusCode.NOT_FOUND Request for unknown model: 'other' is not found
# What to do: take "has no available versions" for UNAVAILABLE.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python=${PYTHON:-python3}
cat > check.py <<'PY'
import os
import pathlib
import signal
import subprocess
import sys
import sysconfig
import threading
import time

import numpy
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

work = pathlib.Path.cwd()
wheel = pathlib.Path(sysconfig.get_path("purelib")) / "pytriton/tritonserver"
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
for name, seconds in (("quick", 0), ("slow", 6)):
    model = work / "models" / name
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text("""backend: "python"
input [{name: "x", data_type: TYPE_UINT8, dims: [1]}]
output [{name: "y", data_type: TYPE_UINT8, dims: [1]}]
instance_group [{kind: KIND_CPU}]
""")
    (model / "1/model.py").write_text(f"""import time
import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds})
        return [
            triton.InferenceResponse([triton.Tensor("y", triton.get_input_tensor_by_name(r, "x").as_numpy())])
            for r in requests
        ]
""")
backend = work / "backends/python"
backend.mkdir(parents=True)
for file in [*(wheel / "backends/python").iterdir(), *(wheel / "python_backend_stubs" / version).iterdir()]:
    (backend / file.name).symlink_to(file)
places = [wheel / "external_libs", sysconfig.get_config_var("LIBDIR") or ""]
environment = os.environ | {
    "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
    "LD_LIBRARY_PATH": ":".join(str(place) for place in places),
}
port = 20000 + os.getpid() % 10000
options = ["--model-repository", work / "models", "--backend-directory", work / "backends"]
options += ["--disable-auto-complete-config", "--exit-timeout-secs=30"]
options += ["--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false"]
log = work / "log"
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT
)
given = triton.InferInput("x", [1], "UINT8")
given.set_data_from_numpy(numpy.ones(1, numpy.uint8))


def call(name):
    """Call a model and say what comes of it."""
    try:
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            client.infer(name, [given])
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"
    return "answered"


try:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    for _ in range(240):
        try:
            if client.is_server_ready():
                break
        except InferenceServerException:
            pass
        if server.poll() is not None:
            print(log.read_text()[-2000:], "CANNOT RUN: the server did not start", sep="\n", file=sys.stderr)
            sys.exit(2)
        time.sleep(0.5)
    never = call("other")
    under_way = threading.Thread(target=call, args=("slow",))
    under_way.start()
    time.sleep(1)
    server.send_signal(signal.SIGTERM)
    time.sleep(2)
    print(f"told to end: {call('quick')}")
    print(f"never there: {never}")
    under_way.join()
finally:
    server.kill()
    server.wait()
PY
"$python" -m venv venv
pip=(venv/bin/pip install -qq --no-compile --disable-pip-version-check)
if ! "${pip[@]}" "tritonclient[grpc]==2.73.0" numpy==1.26.4 || ! "${pip[@]}" --no-deps nvidia-pytriton==0.7.0; then
  echo "CANNOT RUN: the packages were not installed" >&2
  exit 2
fi
seen=$(venv/bin/python check.py)
echo "$seen"
if [ "$seen" != "told to end: StatusCode.NOT_FOUND Request for unknown model: 'quick' has no available versions
never there: StatusCode.NOT_FOUND Request for unknown model: 'other' is not found" ]; then
  echo "CHANGED: a server that is told to end does not answer as stated" >&2
  exit 1
fi
echo "AS STATED"
