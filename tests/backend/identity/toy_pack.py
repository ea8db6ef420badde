# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack of the layout of buffalo_l: a detector of red squares, a recogniser of mean colours."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# In strides, from the anchor: box to the left, top, right, bottom; then the five points.
DISTANCE = np.array([3.0, 4.0, 5.0, 6.0], np.float32)
OFFSET = np.array([-1, -1, 2, -1, 0.5, 1, -0.5, 3, 1.5, 3], np.float32)
# Four outputs from the mean red, green and blue of the chip and a constant.
WEIGHTS = np.array([[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 5]], np.float32)


def write_pack(folder: Path, detector: str = "det_10g.onnx") -> Path:
    """The folder with a detector and w600k_r50.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    write_detector(folder / detector)
    write_recogniser(folder / "w600k_r50.onnx")
    return folder


def write_recogniser(path: Path, side: int = 112) -> Path:
    """An ONNX graph (N, 3, side, side) -> (N, 4): the mean colour times WEIGHTS."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["None", 3, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["None", 4])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    return _save(graph, path)


def write_detector(path: Path) -> Path:
    """SCRFD's inputs and outputs; at a cell of any level that is all red there is a face.

    The score is the cell's mean of (red - (green + blue) / 2) in the network's numbers over 2, so
    about 1 for red and 0 for grey; the second anchor of a cell always scores 0.
    """
    weights = np.array([0.5, -0.25, -0.25], np.float32).reshape(1, 3, 1, 1)
    constants = [numpy_helper.from_array(weights, "colour")]
    nodes = [helper.make_node("Conv", ["input.1", "colour"], ["red"])]
    names: dict[str, list[str]] = {"score": [], "box": [], "points": []}
    for stride in (8, 16, 32):
        count = 2 * (640 // stride) ** 2
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        constants += [
            numpy_helper.from_array(np.zeros((count // 2, 1), np.float32), f"none{stride}"),
            numpy_helper.from_array(np.array([-1, 1]), f"column{stride}"),
            numpy_helper.from_array(np.tile(DISTANCE, (count, 1)), f"distance{stride}"),
            numpy_helper.from_array(np.tile(OFFSET, (count, 1)), f"offset{stride}"),
        ]
        nodes += [
            helper.make_node("AveragePool", ["red"], [f"cells{stride}"], **pool),
            helper.make_node("Reshape", [f"cells{stride}", f"column{stride}"], [f"one{stride}"]),
            helper.make_node("Concat", [f"one{stride}", f"none{stride}"], [f"two{stride}"], axis=1),
            helper.make_node("Reshape", [f"two{stride}", f"column{stride}"], [f"score{stride}"]),
            helper.make_node("Identity", [f"distance{stride}"], [f"box{stride}"]),
            helper.make_node("Identity", [f"offset{stride}"], [f"points{stride}"]),
        ]
        for kind in names:
            names[kind].append(f"{kind}{stride}")
    widths = {"score": 1, "box": 4, "points": 10}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["?", widths[kind]])
        for kind, group in names.items()
        for name in group
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "?", "?"])],
        outputs,
        constants,
    )
    return _save(graph, path)


def _save(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
