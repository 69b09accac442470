"""Write the two-headed network as an ONNX graph whose answers do not depend on the batch.

Weights are 8-bit with a scale for each output column; activations are quantised row by row,
that is token by token. A scale for a whole tensor (the usual dynamic quantisation) would
make a document's answer depend on its neighbours in the batch, and a replay with another
batch size could then raise other alerts. Rows of one batch have the same number of tokens, so the
graph needs neither padding nor a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
_MS = "com.microsoft"
_LEAST_GELU = -0.17  # the exact minimum is -0.16997


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


def _smoothing(weight: Array, greatest: Array, strength: float) -> Array:
    """How much of each input channel's range moves into the weights (SmoothQuant).

    A few channels of a BERT are far larger than the rest and would eat the 8 bits of all
    (Xiao et al., 2023, section 4). ``greatest`` is the largest magnitude seen in each channel.
    """
    inputs = np.maximum(greatest, 1e-3) ** strength
    share = inputs / np.maximum(np.abs(weight).max(axis=1), 1e-4) ** (1 - strength)
    smoothing: Array = (share / share.mean()).astype(np.float32)
    return smoothing


@dataclass(frozen=True)
class _Linear:
    """A linear layer without its bias, ready for integers.

    ``floor`` is a lower bound of the inputs: with one, all 8 bits are above it, and the
    product's error is a constant of each column, which ``bias`` takes back.
    """

    name: str
    weight: Array
    greatest: Array
    strength: float
    floor: float | None = None

    def write(self, graph: _Graph, rows: str) -> str:
        """The product with ``rows`` (tokens, inputs), quantised row by row."""
        smoothing = _smoothing(self.weight, self.greatest, self.strength)
        quantised, column_scale = _quantise_columns(self.weight * smoothing[:, None])
        if self.floor is not None:
            floor = graph.constant(f"{self.name}.floor", np.array(self.floor, np.float32))
            rows = graph.node("Sub", rows, floor)
        rows = graph.node("Mul", rows, graph.constant(f"{self.name}.smooth", 1.0 / smoothing))
        signed = self.floor is None
        size = graph.node("Abs", rows) if signed else rows
        greatest = graph.node("ReduceMax", size, "axis_last", keepdims=0)
        steps = "one_127th" if signed else "one_255th"
        scale = graph.node("Max", graph.node("Mul", greatest, steps), "tiny")
        zero = "middle" if signed else "zero"
        zeros = graph.node("Expand", zero, graph.node("Shape", scale))
        product = graph.node(
            "MatMulIntegerToFloat",
            graph.node("QuantizeLinear", rows, scale, zeros, axis=0),
            graph.constant(f"{self.name}.weight", quantised),
            "one",
            graph.constant(f"{self.name}.scale", column_scale),
            zero,
            domain=_MS,
        )
        return graph.node("Mul", product, graph.node("Unsqueeze", scale, "axis_last"))

    def bias(self, bias: Array) -> Array:
        """The bias to add to the product."""
        return bias if self.floor is None else bias + np.float32(self.floor) * self.weight.sum(0)


def _norm(graph: _Graph, name: str, rows: str, skip: str, bias: Array, weights: "_Weights") -> str:
    """Layer norm of rows + skip + bias."""
    biased = graph.node("Add", rows, graph.constant(f"{name}.skip_bias", bias))
    return graph.node(
        "LayerNormalization",  # Microsoft's fused SkipLayerNormalization took ten times as long
        graph.node("Add", biased, skip),
        graph.constant(f"{name}.gamma", weights[f"{name}.weight"]),
        graph.constant(f"{name}.beta", weights[f"{name}.bias"]),
        epsilon=1e-12,
    )


_Weights = Mapping[str, Array]


@dataclass(frozen=True)
class _Network:
    """The weights by name, attention heads, the inputs' magnitudes, the smoothing's strength."""

    weights: _Weights
    heads: int
    magnitudes: Mapping[str, Array]
    strength: float

    def linear(self, name: str, kernel: Array | None = None, floor: float | None = None) -> _Linear:
        """The linear layer ``name``; ``kernel`` (inputs, outputs) replaces its own weight."""
        weight = self.weights[f"{name}.weight"].T if kernel is None else kernel
        return _Linear(name, weight, self.magnitudes[name], self.strength, floor)


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


def _attention(graph: _Graph, stem: str, rows: str, network: _Network) -> str:
    """Self-attention within each document, on (tokens, width)."""
    own, weights = f"{stem}.attention.self", network.weights
    parts = ("query", "key", "value")
    kernel = np.concatenate([weights[f"{own}.{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{own}.{part}.bias"] for part in parts])
    packed = network.linear(f"{own}.query", kernel).write(graph, rows)
    packed = graph.node("Add", packed, graph.constant(f"{own}.bias", bias))
    names = [f"{own}.{part}.rows" for part in parts]
    split = graph.constant(f"{own}.split", np.array([kernel.shape[0]] * 3, np.int64))
    graph.nodes.append(helper.make_node("Split", [packed, split], names, name=own, axis=1))
    by_document = [graph.node("Reshape", name, "documents_by_tokens") for name in names]
    mixed = graph.node("MultiHeadAttention", *by_document, domain=_MS, num_heads=network.heads)
    return graph.node("Reshape", mixed, "flat")


def _layer(graph: _Graph, index: int, rows: str, network: _Network) -> str:
    """One transformer layer on (tokens, width)."""
    stem = f"encoder.encoder.layer.{index}"
    weights = network.weights
    out = network.linear(f"{stem}.attention.output.dense")
    attended = _norm(
        graph,
        f"{stem}.attention.output.LayerNorm",
        out.write(graph, _attention(graph, stem, rows, network)),
        rows,
        out.bias(weights[f"{out.name}.bias"]),
        weights,
    )
    wide = network.linear(f"{stem}.intermediate.dense")
    bias = graph.constant(f"{wide.name}.bias", weights[f"{wide.name}.bias"])
    hidden = graph.node("BiasGelu", wide.write(graph, attended), bias, domain=_MS)
    back = network.linear(f"{stem}.output.dense", floor=_LEAST_GELU)
    return _norm(
        graph,
        f"{stem}.output.LayerNorm",
        back.write(graph, hidden),
        attended,
        back.bias(weights[f"{back.name}.bias"]),
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


def export_onnx(
    weights: _Weights, heads: int, magnitudes: Mapping[str, Array], strength: float, target: Path
) -> None:
    """Write the graph for the network's state ``weights`` (names as in TwoHeadedBert).

    ``magnitudes`` holds, for each linear layer of the encoder, the largest magnitude of each
    of its inputs over some real texts: see trainer.finetune.input_magnitudes. ``strength``
    (0 to 1) says how much of the inputs' range moves into the weights.
    Input ``ids``: int64 (documents, tokens). Outputs: ``topic`` (documents, 20) and
    ``sentiment`` (documents, 3), logits in float32.
    """
    graph = _Graph()
    graph.constant("middle", np.array(128, np.uint8))
    graph.constant("zero", np.array(0, np.uint8))
    graph.constant("one", np.array(1.0, np.float32))
    graph.constant("one_127th", np.array(1.0 / 127.0, np.float32))
    graph.constant("one_255th", np.array(1.0 / 255.0, np.float32))
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
    network = _Network(weights, heads, magnitudes, strength)
    layers = sum(name.endswith("attention.self.query.weight") for name in weights)
    for index in range(layers):
        rows = _layer(graph, index, rows, network)
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
