"""How fast this machine multiplies matrices of the model's shapes, and nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

SHAPES = ((384, 1152), (384, 384), (384, 1536), (1536, 384))  # of one layer
LAYERS = 6
TOKENS = 512


def _session() -> onnxruntime.InferenceSession:
    nodes, constants, inputs, outputs = [], [], [], []
    constants.append(numpy_helper.from_array(np.array(1.0, np.float32), "one"))
    constants.append(numpy_helper.from_array(np.array(128, np.uint8), "middle"))
    rng = np.random.default_rng(1)
    for width, out in SHAPES:
        name = f"{width}x{out}"
        weight = rng.integers(-127, 128, (width, out), np.int8)
        constants.append(numpy_helper.from_array(weight, f"{name}.weight"))
        constants.append(numpy_helper.from_array(np.ones(out, np.float32), f"{name}.scale"))
        ids = (f"{name}.rows", f"{name}.weight", "one", f"{name}.scale", "middle")
        nodes.append(helper.make_node("MatMulIntegerToFloat", ids, [name], domain="com.microsoft"))
        inputs.append(helper.make_tensor_value_info(ids[0], TensorProto.UINT8, [TOKENS, width]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [TOKENS, out]))
    graph = helper.make_graph(nodes, "products", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def eight_bit_tokens_a_second(cores: int, seconds: float = 1.0) -> float:
    """All products of all layers, in ONNX Runtime's 8 bits, one session on ``cores`` threads."""
    session = _session()
    rng = np.random.default_rng(2)
    rows = {
        f"{width}x{out}.rows": rng.integers(0, 256, (TOKENS, width), np.uint8)
        for width, out in SHAPES
    }

    def work(until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            session.run(None, rows)
            done += 1
        return done

    work(time.perf_counter() + 0.1)
    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        done = sum(threads.map(work, [started + seconds] * cores))
    return done * TOKENS / LAYERS / (time.perf_counter() - started)


@torch.inference_mode()
def torch_tokens_a_second(kind: torch.dtype, seconds: float = 1.0) -> float:
    """All products of all layers in torch, on its own threads."""
    pairs = [
        (torch.randn(TOKENS, width).to(kind), torch.randn(width, out).to(kind))
        for width, out in SHAPES
    ]
    for rows, weight in pairs:
        rows @ weight
    started, done = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        for rows, weight in pairs:
            rows @ weight
        done += 1
    return done * TOKENS / LAYERS / (time.perf_counter() - started)
