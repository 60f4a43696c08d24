"""From a checkpoint to what Triton serves: ONNX, then a TensorRT engine. Research use only.

Importing the package loads nothing heavy; the work is in its modules:

`bac_export.onnx_export.run`
    checkpoint -> ``model_repository/bac_segment/1/model.onnx`` and its model card, behind a parity gate,
`bac_export.tensorrt_export.run`
    ONNX -> TensorRT engine, on the machine and in the container that will serve it.
"""
