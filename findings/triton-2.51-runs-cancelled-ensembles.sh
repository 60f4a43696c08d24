#!/usr/bin/env bash
# Triton 2.51 runs every step of a cancelled ensemble; the step under way is not told, the next one is run and told
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   as the guide on request cancellation says, is_cancelled() is true in the step under way, as it is of a
#             model that is called by itself, and the server looks between the steps and ends the rest.
# Seen:       one second into the first step of an ensemble the client cancels: is_cancelled() is false there, and the
#             second step is run, with is_cancelled() true. (Issue 6739 of the server has the first half, for 23.10.)
# Output:     alone, cancelled: reads True
#             in an ensemble, cancelled during reads: reads False, measures True
# Why:        images that nobody waits for any more are measured to the end, before those of others.
# What to do: ask is_cancelled() first thing in every step but the first; let a deadline travel with the request.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python=${PYTHON:-python3}
cat > check.py <<'PY'
import os
import pathlib
import subprocess
import sys
import sysconfig
import time

import numpy
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

work = pathlib.Path.cwd()
wheel = pathlib.Path(sysconfig.get_path("purelib")) / "pytriton/tritonserver"
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
TENSORS = """input [{name: "x", data_type: TYPE_UINT8, dims: [1]}]
output [{name: "y", data_type: TYPE_UINT8, dims: [1]}]
"""
for name in ("reads", "measures"):
    model = work / "models" / name
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(f'backend: "python"\n{TENSORS}instance_group [{{kind: KIND_CPU}}]\n')
    (model / "1/model.py").write_text("""import time

import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(3)
        with open("LOG", "a") as stream:
            for request in requests:
                print("NAME", request.is_cancelled(), file=stream)
        return [
            triton.InferenceResponse([triton.Tensor("y", triton.get_input_tensor_by_name(request, "x").as_numpy())])
            for request in requests
        ]
""".replace("LOG", str(work / "seen")).replace("NAME", name))
(work / "models/both/1").mkdir(parents=True)
(work / "models/both/config.pbtxt").write_text(f"""platform: "ensemble"
{TENSORS}
ensemble_scheduling {{ step [
  {{ model_name: "reads", model_version: -1, input_map: {{key: "x", value: "x"}}, output_map: {{key: "y", value: "z"}} }},
  {{ model_name: "measures", model_version: -1, input_map: {{key: "x", value: "z"}}, output_map: {{key: "y", value: "y"}} }}
] }}
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
options += ["--model-control-mode=explicit", "--load-model=both", "--disable-auto-complete-config"]
options += ["--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false"]
options += ["--allow-metrics=false"]
output = work / "log"
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=output.open("w"), stderr=subprocess.STDOUT
)


try:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    for _ in range(240):
        try:
            if client.is_model_ready("both"):
                break
        except InferenceServerException:
            pass
        if server.poll() is not None:
            print(output.read_text()[-2000:], "CANNOT RUN: the server did not start", sep="\n", file=sys.stderr)
            sys.exit(2)
        time.sleep(0.5)
    tensor = triton.InferInput("x", [1], "UINT8")
    tensor.set_data_from_numpy(numpy.array([1], numpy.uint8))
    log = work / "seen"
    for said, model in (("alone, cancelled", "reads"), ("in an ensemble, cancelled during reads", "both")):
        call = client.async_infer(model, [tensor], lambda result, error: None)
        time.sleep(1)
        call.cancel()
        time.sleep(9)
        print(f"{said}: {', '.join(log.read_text().splitlines())}")
        log.unlink()
finally:
    server.terminate()
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
if [ "$seen" != "alone, cancelled: reads True
in an ensemble, cancelled during reads: reads False, measures True" ]; then
  echo "CHANGED: cancelled requests are not treated as stated" >&2
  exit 1
fi
echo "AS STATED"
