#!/usr/bin/env bash
# Triton 2.51's counters call a step that refuses an image a success, and count the refused image of an ensemble twice
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   five images, two of which the first step answers with an InferenceResponse of an error: two failures of
#             the ensemble and of that step, three successes of each.
# Seen:       four failures of the ensemble, none of the step that refused, which has five successes.
# Output:     sent 5, refused 2
#             both: 3 successes, 4 failures
#             reads: 5 successes, 0 failures
#             measures: 3 successes, 0 failures
# Why:        alerts on nv_inference_request_failure of a step never fire, and shares of failed images come out wrong.
# What to do: count images in the models themselves (custom metrics), or at the client.

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
import urllib.request

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
    (model / "1/model.py").write_text("""import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(triton.get_input_tensor_by_name(request, "x").as_numpy()) for request in requests]

    def answer(self, x):
        if x[0] == 0:
            refusal = triton.TritonError("no mammogram", triton.TritonError.INVALID_ARG)
            return triton.InferenceResponse(error=refusal)
        return triton.InferenceResponse([triton.Tensor("y", x)])
""")
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
options += ["--metrics-address=127.0.0.1", f"--metrics-port={port + 1}"]
log = work / "log"
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT
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
            print(log.read_text()[-2000:], "CANNOT RUN: the server did not start", sep="\n", file=sys.stderr)
            sys.exit(2)
        time.sleep(0.5)
    refused = 0
    for value in (1, 0, 1, 0, 1):
        tensor = triton.InferInput("x", [1], "UINT8")
        tensor.set_data_from_numpy(numpy.array([value], numpy.uint8))
        try:
            client.infer("both", [tensor])
        except InferenceServerException:
            refused += 1
    time.sleep(1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/metrics") as answer:
        metrics = answer.read().decode()
    print(f"sent 5, refused {refused}")
    for name in ("both", "reads", "measures"):
        success, failure = (
            sum(
                int(float(line.rpartition(" ")[2]))
                for line in metrics.splitlines()
                if line.startswith(f"nv_inference_request_{kind}{{") and f'model="{name}"' in line
            )
            for kind in ("success", "failure")
        )
        print(f"{name}: {success} successes, {failure} failures")
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
if [ "$seen" != "sent 5, refused 2
both: 3 successes, 4 failures
reads: 5 successes, 0 failures
measures: 3 successes, 0 failures" ]; then
  echo "CHANGED: refusals are not counted as stated" >&2
  exit 1
fi
echo "AS STATED"
