"""From a checkpoint to what Triton serves: ONNX, then a TensorRT engine. Research use only.

Importing the package loads nothing heavy; the work is in its modules:

`bac_export.onnx_export.run`
    checkpoint -> ``model_repository/bac_segment/1/model.onnx``, the same with votes and their model card,
    behind a parity gate, in reduced precision as well,
`bac_export.votes_export.renew`
    the file with votes alone, from the ``model.onnx`` that is there,
`bac_export.engine.keep_engine`
    ONNX -> TensorRT engine, built on the machine that will serve it unless it is kept already,
`bac_export.torch_engine.TorchSegmenter`
    the same network by PyTorch, on a GPU without an engine,
`bac_export.served.verify`
    what a server answers, against the ONNX file.
"""
