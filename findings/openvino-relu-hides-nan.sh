#!/usr/bin/env bash
# In OpenVINO a NaN does not come through ReLU or Clip: a broken pixel ends as a calm probability
#
# Versions:   openvino 2026.4.1 (CPU, float32 asked for), onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6;
#             Python 3.11, x86-64
# Expected:   an input that is no number leaves its mark on the output, as with ONNX Runtime and onnx's reference,
#             so that one look at the result finds it.
# Seen:       OpenVINO's ReLU and Clip give 0 for NaN, and the network goes on from there.
# Output:     probabilities of 4 pixels, the second one NaN at the input
#             onnx reference  0.881 nan   0.119 0.018
#             ONNX Runtime    0.881 nan   0.119 0.018
#             OpenVINO        0.881 0.018 0.119 0.018
# Why:        the logarithm of a dead pixel, or a division by a flat background, makes NaN on a mammogram. Tests on
#             ONNX Runtime or PyTorch show it; served by OpenVINO the same fault is "no calcification here".
# What to do: look for values that are not finite before the network, not behind it.

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
from onnx.reference import ReferenceEvaluator


def network(activation, *limits):
    """Convolution, activation, convolution, sigmoid on one row of pixels."""
    one = [1, 1, 1, 1]
    numbers = [helper.make_tensor("w", TensorProto.FLOAT, one, [2.0])]
    numbers += [helper.make_tensor("b", TensorProto.FLOAT, [1], [-4.0])]
    numbers += [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in limits]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"]),
        helper.make_node(activation, ["h", *(name for name, _ in limits)], ["a"]),
        helper.make_node("Conv", ["a", "w", "b"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["y"]),
    ]
    shape = [1, 1, 1, 4]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


image = np.array([1.5, np.nan, 0.5, -1], np.float32).reshape(1, 1, 1, 4)
core = openvino.Core()
as_stated = True
for activation, *limits in (("Relu",), ("Clip", ("low", 0.0), ("high", 6.0))):
    model = network(activation, *limits)
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = {
        "onnx reference": ReferenceEvaluator(model).run(None, {"x": image})[0],
        "ONNX Runtime": session.run(None, {"x": image})[0],
        "OpenVINO": compiled({"x": image})[0],
    }
    print(f"probabilities of 4 pixels behind {activation}, the second one NaN at the input")
    for name, values in results.items():
        print(f"{name:15} " + " ".join(f"{value:<5.3f}" for value in values.ravel()))
        is_right = np.isnan(values.flat[1]) if name != "OpenVINO" else values.flat[1] == values.flat[3]
        as_stated &= bool(is_right) and abs(values.flat[0] - 0.8808) < 1e-3
if not as_stated:
    sys.exit("CHANGED: NaN is treated otherwise than stated")
print("AS STATED")
PY
