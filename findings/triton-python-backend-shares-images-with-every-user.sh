#!/usr/bin/env bash
# Triton's Python backend keeps tensors in /dev/shm where every user of the machine can read them, whatever the umask
#
# Versions:   nvidia-pytriton 0.7.0 (holds tritonserver 2.51.0), tritonclient 2.73.0, numpy 1.26.4;
#             Linux x86-64, Python 3.10 to 3.12 with its shared library (libpython3.X.so.1.0)
# Expected:   under umask 077 what the server makes is its owner's, shared memory included.
# Seen:       the region that tensors pass through is of mode 0644 and readable for everybody; the image that was
#             sent can be found in it afterwards. Boost.Interprocess sets the mode once more, with fchmod, after
#             it has made the region.
# Output:     umask 077: mode 0644, the pixels that were sent are in it: yes
# Why:        on a shared workstation or a login node anybody can copy the mammograms that are being analysed.
# What to do: a machine or container of its own (no --ipc=host); or have seccomp turn fchmod of the server into
#             nothing, so that the umask holds.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
pip=(venv/bin/pip install -qq --no-compile --disable-pip-version-check)
if ! "${pip[@]}" "tritonclient[grpc]==2.73.0" numpy==1.26.4 || ! "${pip[@]}" --no-deps nvidia-pytriton==0.7.0; then
  echo "CANNOT RUN: the packages were not installed" >&2
  exit 2
fi
cat > check.py <<'PY'
import os
import pathlib
import stat
import subprocess
import sys
import sysconfig
import time

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

work = pathlib.Path.cwd()
wheel = pathlib.Path(sysconfig.get_path("purelib")) / "pytriton/tritonserver"
version = f"{sys.version_info[0]}.{sys.version_info[1]}"
model = work / "models/echo"
(model / "1").mkdir(parents=True)
(model / "config.pbtxt").write_text("""backend: "python"
input [{name: "x", data_type: TYPE_UINT16, dims: [4096]}]
output [{name: "y", data_type: TYPE_UINT16, dims: [1]}]
instance_group [{kind: KIND_CPU}]
""")
(model / "1/model.py").write_text("""import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.zeros(1, np.uint16))]) for _ in requests]
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
prefix = f"finding_{os.getpid()}_"
options = ["--model-repository", work / "models", "--backend-directory", work / "backends"]
options += ["--grpc-address=127.0.0.1", f"--grpc-port={port}", "--allow-http=false", "--allow-metrics=false"]
options += [f"--backend-config=python,shm-region-prefix-name={prefix}"]
log = work / "log"
os.umask(0o077)
server = subprocess.Popen(
    [wheel / "bin/tritonserver", *options], env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT
)
try:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    for _ in range(600):
        try:
            if client.is_model_ready("echo"):
                break
        except InferenceServerException:
            pass
        if server.poll() is not None:
            print(log.read_text()[-2000:], "CANNOT RUN: the server did not start", sep="\n", file=sys.stderr)
            sys.exit(2)
        time.sleep(0.5)
    pixels = np.random.default_rng(1).integers(0, 4096, 4096).astype(np.uint16)
    x = triton.InferInput("x", [4096], "UINT16")
    x.set_data_from_numpy(pixels)
    client.infer("echo", [x], client_timeout=60)
    (region,) = pathlib.Path("/dev/shm").glob(prefix + "*")
    found = "yes" if pixels.tobytes() in region.read_bytes() else "no"
    print(f"umask 077: mode {stat.S_IMODE(region.stat().st_mode):04o}, the pixels that were sent are in it: {found}")
finally:
    server.terminate()
    server.wait()
    for region in pathlib.Path("/dev/shm").glob(prefix + "*"):
        region.unlink()
PY
seen=$(venv/bin/python check.py)
echo "$seen"
if [ "$seen" != "umask 077: mode 0644, the pixels that were sent are in it: yes" ]; then
  echo "CHANGED: others can no longer read it, or it holds something else" >&2
  exit 1
fi
echo "AS STATED"
