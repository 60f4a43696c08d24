#!/usr/bin/env bash
# Triton 2.51 brings back a Python model whose process has died once by a load call; later calls succeed and do nothing
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   RepositoryModelLoad of a model that answers nothing any more starts its process anew, each time.
# Seen:       the first load starts one; the second succeeds at once and starts none. After a touch in its folder the
#             same call starts one again. What was tried once seems to work.
# Output:     killed and loaded: True
#             killed and loaded again: False
#             touched and loaded: True
# Why:        whoever revives a dead step by its load call believes it to be back.
# What to do: write a file into the model's folder before each load, and look for the process after it.

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
import time

import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

work = pathlib.Path.cwd()
wheel = pathlib.Path(sysconfig.get_path("purelib")) / "pytriton/tritonserver"
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
model = work / "models/echo"
(model / "1").mkdir(parents=True)
(model / "config.pbtxt").write_text("""backend: "python"
input [{name: "x", data_type: TYPE_UINT8, dims: [1]}]
output [{name: "y", data_type: TYPE_UINT8, dims: [1]}]
instance_group [{kind: KIND_CPU}]
""")
(model / "1/model.py").write_text("""class TritonPythonModel:
    def execute(self, requests):
        raise RuntimeError
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
options += ["--model-control-mode=explicit", "--load-model=echo", "--disable-auto-complete-config"]
options += ["--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false"]
log = work / "log"
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT
)


def stubs():
    """Find the model's processes, those that have ended and are still listed left out."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode()
            alive = (place / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            continue
        if alive and "python_backend_stub" in command and str(model) in command:
            found.append(int(place.name))
    return found


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
    for said in ("killed and loaded", "killed and loaded again", "touched and loaded"):
        for pid in stubs():
            os.kill(pid, signal.SIGKILL)
        while stubs():
            time.sleep(0.1)
        if said.startswith("touched"):
            (model / "touched").touch()
        client.load_model("echo")
        time.sleep(1)
        print(f"{said}: {bool(stubs())}")
finally:
    server.kill()
    server.wait()
    for pid in stubs():
        os.kill(pid, signal.SIGKILL)
PY
"$python" -m venv venv
pip=(venv/bin/pip install -qq --no-compile --disable-pip-version-check)
if ! "${pip[@]}" "tritonclient[grpc]==2.73.0" numpy==1.26.4 || ! "${pip[@]}" --no-deps nvidia-pytriton==0.7.0; then
  echo "CANNOT RUN: the packages were not installed" >&2
  exit 2
fi
seen=$(venv/bin/python check.py)
echo "$seen"
if [ "$seen" != "killed and loaded: True
killed and loaded again: False
touched and loaded: True" ]; then
  echo "CHANGED: dead models are not loaded as stated" >&2
  exit 1
fi
echo "AS STATED"
