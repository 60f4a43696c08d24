#!/usr/bin/env bash
# Importing ONNX Runtime on Linux marks the machine with an identifier, for reports to its maker
#
# Versions:   onnxruntime 1.32.0 and 1.28.0, numpy 1.26.4; Python 3.11, x86-64
# Expected:   an import writes nothing into the home directory and starts no thread.
# Seen:       the import starts a thread, and ~/.cache/Microsoft holds a data base and an identifier then. Privacy.md
#             in the package says so: reports are on by default, Linux included.
# Output:     onnxruntime 1.28.0                             threads more: 0  files in the home directory: 0
#             onnxruntime 1.32.0                             threads more: 1  files in the home directory: 4
#             onnxruntime 1.32.0 ORT_DISABLE_TELEMETRY=1     threads more: 0  files in the home directory: 0
# Why:        a server of medical images reports to nobody, and an upgrade alone brings this.
# What to do: ORT_DISABLE_TELEMETRY=1 before the import; disable_telemetry_events() can only be called after it.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 1.28.0 1.32.0; do
  "${PYTHON:-python3}" -m venv "$version"
  "$version/bin/pip" install -qq --no-compile --disable-pip-version-check "onnxruntime==$version" numpy==1.26.4 ||
    { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
done
cat > look.py <<'PY'
import os
import sys

import numpy  # noqa: F401  # has threads of its own

before = len(os.listdir("/proc/self/task"))
import onnxruntime

more = len(os.listdir("/proc/self/task")) - before
files = sum(len(names) for _, _, names in os.walk(os.environ["HOME"]))
setting = "ORT_DISABLE_TELEMETRY=1" if "ORT_DISABLE_TELEMETRY" in os.environ else ""
name = f"onnxruntime {onnxruntime.__version__} {setting}"
print(f"{name:46} threads more: {more}  files in the home directory: {files}")
sys.exit(not (more and files))
PY
# Whether it reports: its own environment, and its own home directory.
reports() {
  local version=$1
  shift
  rm -rf home
  mkdir home
  env -i HOME="$work/home" "$@" "$version/bin/python" look.py
}
as_stated=1
if reports 1.28.0; then as_stated=0; fi
reports 1.32.0 || as_stated=0
if reports 1.32.0 ORT_DISABLE_TELEMETRY=1; then as_stated=0; fi
if [ "$as_stated" = 0 ]; then
  echo "CHANGED: who reports is other than stated"
  exit 1
fi
echo "AS STATED"
