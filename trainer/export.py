"""Write the two-headed network as an ONNX graph whose answers do not depend on the batch.

Weights are 8-bit with a scale for each output column; activations are quantised row by row,
that is token by token. A scale for a whole tensor (the usual dynamic quantisation) would
make a document's answer depend on its neighbours in the batch, and a replay with another
batch size could then raise other alerts. Rows of one batch have the same number of tokens, so the
graph needs neither padding nor a mask.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
_MS = "com.microsoft"
_ZERO_POINT = 128


class _Graph:
    """Collects nodes and constants while the network is written down."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        name = f"n{len(self.nodes)}_{op}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes)
        )
        return name


def _quantise_columns(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """A (inputs, outputs) matrix as 8-bit integers and one scale for each column."""
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-8) / 127.0
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def _rows_to_integers(graph: _Graph, rows: str) -> tuple[str, str]:
    """Quantise each row of (tokens, width) by its own greatest magnitude."""
    greatest = graph.node("ReduceMax", graph.node("Abs", rows), "axis_last", keepdims=0)
    scale = graph.node("Max", graph.node("Mul", greatest, "one_127th"), "tiny")
    integers = graph.node(
        "QuantizeLinear",
        rows,
        scale,
        graph.node("Expand", "zero_point", graph.node("Shape", scale)),
        axis=0,
    )
    return integers, graph.node("Unsqueeze", scale, "axis_last")


def _linear(graph: _Graph, name: str, rows: tuple[str, str], weight: Array) -> str:
    """Product of quantised rows with a quantised weight, without the bias."""
    integers, row_scale = rows
    quantised, column_scale = _quantise_columns(weight)
    product = graph.node(
        "MatMulIntegerToFloat",
        integers,
        graph.constant(f"{name}.weight", quantised),
        "one",
        graph.constant(f"{name}.scale", column_scale),
        "zero_point",
        domain=_MS,
    )
    return graph.node("Mul", product, row_scale)


def _norm(graph: _Graph, name: str, rows: str, skip: str, bias: Array, weights: "_Weights") -> str:
    """Layer norm of rows + skip + bias."""
    return graph.node(
        "SkipLayerNormalization",
        rows,
        skip,
        graph.constant(f"{name}.gamma", weights[f"{name}.weight"]),
        graph.constant(f"{name}.beta", weights[f"{name}.bias"]),
        graph.constant(f"{name}.skip_bias", bias),
        domain=_MS,
        epsilon=1e-12,
    )


_Weights = Mapping[str, Array]


def _embed(graph: _Graph, weights: _Weights) -> str:
    """Token plus position embeddings, normalised, as (tokens of all documents, width)."""
    stem = "encoder.embeddings"
    words = weights[f"{stem}.word_embeddings.weight"]
    quantised, scale = _quantise_columns(words.T)
    graph.constant("words", quantised.T)
    graph.constant("words.scale", scale[:, None])
    places = weights[f"{stem}.position_embeddings.weight"]
    graph.constant("places", places + weights[f"{stem}.token_type_embeddings.weight"][0])
    word = graph.node("Cast", graph.node("Gather", "words", "ids"), to=TensorProto.FLOAT)
    word = graph.node("Mul", word, graph.node("Gather", "words.scale", "ids"))
    length = graph.node("Gather", graph.node("Shape", "ids"), "axis_1")
    place = graph.node("Slice", "places", "axis_0", length)
    both = graph.node("Add", word, place)
    normed = graph.node(
        "LayerNormalization",
        both,
        graph.constant(f"{stem}.gamma", weights[f"{stem}.LayerNorm.weight"]),
        graph.constant(f"{stem}.beta", weights[f"{stem}.LayerNorm.bias"]),
        epsilon=1e-12,
    )
    return graph.node("Reshape", normed, "flat")


def _layer(graph: _Graph, index: int, rows: str, weights: _Weights, heads: int) -> str:
    """One transformer layer on (tokens, width)."""
    stem = f"encoder.encoder.layer.{index}"
    own = f"{stem}.attention.self"
    kernels = [weights[f"{own}.{part}.weight"].T for part in ("query", "key", "value")]
    biases = [weights[f"{own}.{part}.bias"] for part in ("query", "key", "value")]
    packed = _linear(graph, own, _rows_to_integers(graph, rows), np.concatenate(kernels, axis=1))
    packed = graph.node("Add", packed, graph.constant(f"{own}.bias", np.concatenate(biases)))
    width = kernels[0].shape[0]
    parts = [f"{own}.{part}" for part in ("q", "k", "v")]
    split = graph.constant(f"{own}.split", np.array([width] * 3, np.int64))
    graph.nodes.append(helper.make_node("Split", [packed, split], parts, name=f"{own}.s", axis=1))
    by_document = [graph.node("Reshape", part, "documents_by_tokens") for part in parts]
    mixed = graph.node("MultiHeadAttention", *by_document, domain=_MS, num_heads=heads)
    mixed = graph.node("Reshape", mixed, "flat")
    out = f"{stem}.attention.output"
    kernel = weights[f"{out}.dense.weight"].T
    attended = _norm(
        graph,
        f"{out}.LayerNorm",
        _linear(graph, out, _rows_to_integers(graph, mixed), kernel),
        rows,
        weights[f"{out}.dense.bias"],
        weights,
    )
    wide = f"{stem}.intermediate.dense"
    hidden = _linear(graph, wide, _rows_to_integers(graph, attended), weights[f"{wide}.weight"].T)
    bias = graph.constant(f"{wide}.bias", weights[f"{wide}.bias"])
    hidden = graph.node("BiasGelu", hidden, bias, domain=_MS)
    back = f"{stem}.output"
    return _norm(
        graph,
        f"{back}.LayerNorm",
        _linear(graph, back, _rows_to_integers(graph, hidden), weights[f"{back}.dense.weight"].T),
        attended,
        weights[f"{back}.dense.bias"],
        weights,
    )


def _heads(graph: _Graph, rows: str, weights: _Weights) -> None:
    """Mean over each document's tokens, then both heads in full precision.

    Every sum runs along the last axis, one row at a time: a matrix product, and a mean along a
    middle axis, choose another order of summation for another number of documents.
    """
    last = graph.node(
        "Transpose", graph.node("Reshape", rows, "documents_by_tokens"), perm=[0, 2, 1]
    )
    pooled = graph.node("ReduceMean", last, "axis_last", keepdims=0)
    pooled = graph.node("Unsqueeze", pooled, "axis_1")
    for head in ("topic", "sentiment"):
        kernel = graph.constant(f"{head}.weight", weights[f"{head}.weight"])
        bias = graph.constant(f"{head}.bias", weights[f"{head}.bias"])
        product = graph.node(
            "ReduceSum", graph.node("Mul", pooled, kernel), "axis_last", keepdims=0
        )
        graph.nodes.append(helper.make_node("Add", [product, bias], [head], name=head))


def export_onnx(weights: _Weights, heads: int, target: Path) -> None:
    """Write the graph for the network's state ``weights`` (names as in TwoHeadedBert).

    Input ``ids``: int64 (documents, tokens). Outputs: ``topic`` (documents, 20) and
    ``sentiment`` (documents, 3), logits in float32.
    """
    graph = _Graph()
    graph.constant("zero_point", np.array(_ZERO_POINT, np.uint8))
    graph.constant("one", np.array(1.0, np.float32))
    graph.constant("one_127th", np.array(1.0 / 127.0, np.float32))
    graph.constant("tiny", np.array(1e-8, np.float32))
    graph.constant("axis_last", np.array([-1], np.int64))
    graph.constant("axis_0", np.array([0], np.int64))
    graph.constant("axis_1", np.array([1], np.int64))
    width = weights["encoder.embeddings.word_embeddings.weight"].shape[1]
    graph.constant("flat", np.array([-1, width], np.int64))
    graph.constant("width", np.array([width], np.int64))
    shape = graph.node("Shape", "ids")
    graph.nodes.append(
        helper.make_node("Concat", [shape, "width"], ["documents_by_tokens"], name="dbt", axis=0)
    )
    rows = _embed(graph, weights)
    layers = sum(name.endswith("attention.self.query.weight") for name in weights)
    for index in range(layers):
        rows = _layer(graph, index, rows, weights, heads)
    _heads(graph, rows, weights)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "two-headed-bert",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["documents", "tokens"])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["documents", None])
                for name in ("topic", "sentiment")
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(_MS, 1)],
        ir_version=9,
    )
    onnx.save(model, target)
