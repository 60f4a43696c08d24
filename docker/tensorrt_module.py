"""Give NVIDIA's TensorRT bindings the name under which the export looks for them.

The ``tensorrt`` package would bring a second copy of TensorRT's libraries; the bindings alone work with those
that Triton in this image is linked with, and are called ``tensorrt_bindings``.
"""

from tensorrt_bindings import *  # noqa: F403
from tensorrt_bindings import __version__ as __version__
