#!/usr/bin/env bash
# Triton 2.51's Python backend answers with empty tensors, and no error, once its Python has NumPy 2
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 2.2.6 against 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   right tensors, or an error that names NumPy. (The wheel's own metadata ask for numpy<2, but the server
#             takes whatever Python it finds, and a model's requirements may have raised NumPy there since.)
# Seen:       the model loads and is ready. Over gRPC the answer has the right name, type and shape and no bytes,
#             and what the model gets as input has other values. The log has no word of it.
# Output:     numpy 1.26.4: y has shape [4] and 8 bytes, [1, 2, 3, 4095]; input seen right: yes
#             numpy 2.2.6: y has shape [4] and 0 bytes; input seen right: no
# Why:        pixels arrive as noise and masks leave as nothing: behind code that takes no bytes for no findings,
#             every woman is without calcification.
# What to do: pin numpy<2 for Triton 2.51; make readiness mean that a known image came back whole.

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

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

work = pathlib.Path.cwd() / f"run-{np.__version__}"
wheel = pathlib.Path(sysconfig.get_path("purelib")) / "pytriton/tritonserver"
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
model = work / "models/echo"
(model / "1").mkdir(parents=True)
(model / "config.pbtxt").write_text("""backend: "python"
input [{name: "x", data_type: TYPE_UINT16, dims: [4]}]
output [{name: "y", data_type: TYPE_UINT16, dims: [4]}]
instance_group [{kind: KIND_CPU}]
""")
(model / "1/model.py").write_text(f"""import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        x = pb_utils.get_input_tensor_by_name(requests[0], "x").as_numpy()
        open({str(work / "seen")!r}, "w").write(str(x.tolist() == [10, 20, 30, 40]))
        y = pb_utils.Tensor("y", np.array([1, 2, 3, 4095], np.uint16))
        return [pb_utils.InferenceResponse([y])]
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
options += ["--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false"]
log = work / "log"
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT
)
try:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    for _ in range(240):
        try:
            if client.is_model_ready("echo"):
                break
        except InferenceServerException:
            pass
        if server.poll() is not None:
            print(log.read_text()[-2000:], "CANNOT RUN: the server did not start", sep="\n", file=sys.stderr)
            sys.exit(2)
        time.sleep(0.5)
    x = triton.InferInput("x", [4], "UINT16")
    x.set_data_from_numpy(np.array([10, 20, 30, 40], np.uint16))
    answer = client.infer("echo", [x], client_timeout=60).get_response()
finally:
    server.terminate()
    server.wait()
(raw,) = answer.raw_output_contents
values = f", {np.frombuffer(raw, np.uint16).tolist()}" if raw else ""
right = "yes" if (work / "seen").read_text() == "True" else "no"
print(f"numpy {np.__version__}: y has shape {list(answer.outputs[0].shape)} and {len(raw)} bytes{values}; ", end="")
print(f"input seen right: {right}")
PY
seen=
for numpy in 1.26.4 2.2.6; do
  "$python" -m venv "venv-$numpy"
  # --no-deps below: pip itself would refuse NumPy 2 beside this wheel.
  pip=("venv-$numpy/bin/pip" install -qq --no-compile --disable-pip-version-check)
  if ! "${pip[@]}" "tritonclient[grpc]==2.73.0" "numpy==$numpy" || ! "${pip[@]}" --no-deps nvidia-pytriton==0.7.0; then
    echo "CANNOT RUN: the packages were not installed" >&2
    exit 2
  fi
  result=$("venv-$numpy/bin/python" check.py)
  echo "$result"
  seen+="$result"$'\n'
done
stated="numpy 1.26.4: y has shape [4] and 8 bytes, [1, 2, 3, 4095]; input seen right: yes
numpy 2.2.6: y has shape [4] and 0 bytes; input seen right: no
"
if [ "$seen" != "$stated" ]; then
  echo "CHANGED: the tensors are not as stated" >&2
  exit 1
fi
echo "AS STATED"
