#!/usr/bin/env bash
# OpenVINO's QuantizeLinear to uint16 wraps where ONNX saturates, and cuts where ONNX rounds
#
# Versions:   openvino 2026.4.1 (CPU, float32 asked for), onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6;
#             Python 3.11, x86-64
# Expected:   QuantizeLinear (opset 21) rounds half to even and saturates at 0 and 65535, for uint16 as for uint8.
# Seen:       for uint8 OpenVINO does. For uint16 it drops the fraction and keeps the low 16 bits: -1 becomes
#             65535, 70000 becomes 4464.
# Output:     input                      0.5    1.5    2.6   -1.0  70000.0
#             uint8   ONNX Runtime         0      2      3      0      255
#             uint8   OpenVINO             0      2      3      0      255
#             uint16  ONNX Runtime         0      2      3      0    65535
#             uint16  OpenVINO             0      1      2  65535     4464
# Why:        mammograms have 10 to 16 bits, so that a model which writes stored values, or is quantised for
#             16 bit activations, meets just this. A pixel a little below black becomes the brightest of all.
# What to do: Clip and Round before QuantizeLinear, or leave the last step to NumPy.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

pixels = np.array([0.5, 1.5, 2.6, -1, 70000], np.float32)
print(f"{'input':20}" + " ".join(f"{value:8.1f}" for value in pixels))
seen = {}
for kind in ("uint8", "uint16"):
    code = {"uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16}[kind]
    graph = helper.make_graph(
        [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5])],
        [helper.make_tensor_value_info("y", code, [5])],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0]),
            helper.make_tensor("zero", code, [], [0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = {"ONNX Runtime": session.run(None, {"x": pixels})[0], "OpenVINO": compiled({"x": pixels})[0]}
    for name, values in results.items():
        seen[kind, name] = values.tolist()
        print(f"{kind:7} {name:12}" + " ".join(f"{value:8}" for value in seen[kind, name]))
right = [0, 2, 3, 0]
stated = {
    ("uint8", "ONNX Runtime"): [*right, 255],
    ("uint8", "OpenVINO"): [*right, 255],
    ("uint16", "ONNX Runtime"): [*right, 65535],
    ("uint16", "OpenVINO"): [0, 1, 2, 65535, 4464],
}
if seen != stated:
    sys.exit("CHANGED: QuantizeLinear gives other values than stated")
print("AS STATED")
PY
