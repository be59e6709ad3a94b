"""Writes model.onnx: a small network of fixed weights, in the place of the one that you have trained.

frames, uint8 [N, H, W, 3] RGB -> vectors, float32 [N, 32], each of length 1.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weights = np.random.default_rng(1)
tensors = {
    "scale": np.array(1 / 255, np.float32),
    "filters": weights.normal(size=(32, 3, 5, 5)).astype(np.float32) / 75,
    "mixing": weights.normal(size=(32, 32)).astype(np.float32) / 32,
}
nodes = [
    helper.make_node("Cast", ["frames"], ["numbers"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["numbers", "scale"], ["scaled"]),
    helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
    helper.make_node("Conv", ["planes", "filters"], ["filtered"], strides=[4, 4]),
    helper.make_node("Relu", ["filtered"], ["kept"]),
    helper.make_node("GlobalAveragePool", ["kept"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["flat"]),
    helper.make_node("MatMul", ["flat", "mixing"], ["mixed"]),
    helper.make_node("LpNormalization", ["mixed"], ["vectors"], axis=1, p=2),
]
graph = helper.make_graph(
    nodes,
    "embedder",
    [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3])],
    [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["N", 32])],
    [numpy_helper.from_array(values, name) for name, values in tensors.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")
