"""Write the two-headed network as an ONNX graph whose answers do not depend on the batch.

Weights are 8-bit with a scale for each output column. The inputs of a layer are 8-bit too: on a
grid that is fixed, channel by channel, where a layer norm or the attention bounds them, and on
one of its own for each token behind the GELU, whose outputs have a long tail. A scale for a whole
tensor (the usual dynamic quantisation) would make a document's answer depend on its neighbours
in the batch, and a replay with another batch size could then raise other alerts. Rows of one
batch have the same number of tokens, so the graph needs neither padding nor a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trainer.rounding import Grid, compensated, nearest
from trainer.statistics import Array, Inputs

_MS = "com.microsoft"
_LEAST_GELU = np.float32(-0.17)  # the exact minimum is -0.16997

_Weights = Mapping[str, Array]


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


@dataclass(frozen=True)
class _Linear:
    """A linear layer and the grid of its inputs. ``weight`` is (inputs, outputs)."""

    name: str
    weight: Array
    bias: Array
    inputs: Inputs
    grid: Grid

    def _integers(self, graph: _Graph) -> tuple[str, str]:
        on_grid = self.weight * self.grid.step[:, None]
        whole, scale = compensated(on_grid, self.grid.moments(self.inputs))
        return (
            graph.constant(f"{self.name}.weight", whole),
            graph.constant(f"{self.name}.scale", scale),
        )

    def _bias(self, graph: _Graph, more: Array | float = 0.0) -> str:
        """The bias, the product with the grid's centre, and ``more``."""
        bias = self.bias + self.grid.centre @ self.weight + more
        return graph.constant(f"{self.name}.bias", np.asarray(bias, np.float32))

    def of_bounded(self, graph: _Graph, rows: str, more: Array | float = 0.0) -> str:
        """The layer's output plus ``more``, for ``rows`` (tokens, inputs) that are on the grid."""
        weight, scale = self._integers(graph)
        return graph.node(
            "MatMulIntegerToFloat",
            graph.node("QuantizeLinear", rows, "one", "middle"),
            weight,
            "one",
            scale,
            "middle",
            "",
            self._bias(graph, more),
            domain=_MS,
        )

    def of_gelu(self, graph: _Graph, rows: str, skip: str, more: Array) -> str:
        """The output plus ``more`` plus ``skip``; all 8 bits lie above the least GELU, by token."""
        weight, scale = self._integers(graph)
        rows = graph.node("Sub", rows, "least_gelu")
        greatest = graph.node("ReduceMax", rows, "axis_last", keepdims=0)
        step = graph.node("Max", graph.node("Mul", greatest, "one_255th"), "tiny")
        zeros = graph.node("Expand", "zero", graph.node("Shape", step))
        product = graph.node(
            "MatMulIntegerToFloat",
            graph.node("QuantizeLinear", rows, step, zeros, axis=0),
            weight,
            "one",
            scale,
            "zero",
            domain=_MS,
        )
        product = graph.node("Mul", product, graph.node("Unsqueeze", step, "axis_last"))
        return graph.node("Add", graph.node("Add", product, skip), self._bias(graph, more))


@dataclass(frozen=True)
class _Network:
    """The weights by name, attention heads, and what the layers' inputs look like."""

    weights: _Weights
    heads: int
    inputs: Mapping[str, Inputs]

    @property
    def layers(self) -> int:
        return sum(name.endswith("attention.self.query.weight") for name in self.weights)

    def linear(self, name: str, grid: Grid | None = None) -> _Linear:
        inputs = self.inputs[name]
        weight, bias = self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"]
        return _Linear(name, weight, bias, inputs, grid or Grid.over(inputs))

    def attention(self, layer: int) -> tuple[_Linear, _Linear]:
        """Query, key and value as one layer, and the layer behind the attention.

        Attention is a mean of values: put the values on the next layer's grid, and so is it.
        """
        stem = f"encoder.encoder.layer.{layer}.attention"
        out = self.linear(f"{stem}.output.dense")
        parts = [f"{stem}.self.{part}" for part in ("query", "key", "value")]
        query, key, value = (self.weights[f"{part}.weight"].T for part in parts)
        biases = [self.weights[f"{part}.bias"] for part in parts]
        kernel = np.concatenate([query, key, value / out.grid.step], axis=1)
        biases[2] = (biases[2] - out.grid.centre) / out.grid.step
        inputs = self.inputs[parts[0]]  # those of all three
        bias = np.concatenate(biases)
        return _Linear(f"{stem}.self", kernel, bias, inputs, Grid.over(inputs)), out

    def wide(self, layer: int) -> tuple[_Linear, _Linear]:
        """Both layers around the GELU."""
        stem = f"encoder.encoder.layer.{layer}"
        width = len(self.weights[f"{stem}.intermediate.dense.bias"])
        own = Grid(np.ones(width, np.float32), np.full(width, _LEAST_GELU))
        return self.linear(f"{stem}.intermediate.dense"), self.linear(f"{stem}.output.dense", own)


def _norm(graph: _Graph, name: str, rows: str, weights: _Weights, grid: Grid | None) -> str:
    """Layer norm, its outputs on ``grid`` where there is one."""
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if grid is not None:
        scale, shift = scale / grid.step, (shift - grid.centre) / grid.step
    return graph.node(
        "LayerNormalization",  # Microsoft's fused SkipLayerNormalization took ten times as long
        rows,
        graph.constant(f"{name}.gamma", scale),
        graph.constant(f"{name}.beta", shift),
        epsilon=1e-12,
    )


def _off_grid(graph: _Graph, layer: _Linear, rows: str) -> str:
    """The inputs of ``layer`` less their centre, from ``rows`` that are on its grid."""
    return graph.node("Mul", rows, graph.constant(f"{layer.name}.step", layer.grid.step))


def _embed(graph: _Graph, network: _Network) -> str:
    """Token plus position embeddings, normalised, as (tokens of all documents, width)."""
    stem, weights = "encoder.embeddings", network.weights
    whole, scale = nearest(weights[f"{stem}.word_embeddings.weight"].T)
    graph.constant("words", whole.T)
    graph.constant("words.scale", scale[:, None])
    places = weights[f"{stem}.position_embeddings.weight"]
    graph.constant("places", places + weights[f"{stem}.token_type_embeddings.weight"][0])
    word = graph.node("Cast", graph.node("Gather", "words", "ids"), to=TensorProto.FLOAT)
    word = graph.node("Mul", word, graph.node("Gather", "words.scale", "ids"))
    length = graph.node("Gather", graph.node("Shape", "ids"), "axis_1")
    both = graph.node("Add", word, graph.node("Slice", "places", "axis_0", length))
    rows = graph.node("Reshape", both, "flat")
    return _norm(graph, f"{stem}.LayerNorm", rows, weights, network.attention(0)[0].grid)


def _attention(graph: _Graph, own: _Linear, rows: str, heads: int) -> str:
    """Self-attention within each document, on (tokens, width)."""
    width = own.weight.shape[0]
    names = [f"{own.name}.{part}" for part in ("query", "key", "value")]
    packed = own.of_bounded(graph, rows)
    split = graph.constant(f"{own.name}.split", np.array([width] * 3, np.int64))
    graph.nodes.append(helper.make_node("Split", [packed, split], names, name=own.name, axis=1))
    by_document = [graph.node("Reshape", name, "documents_by_tokens") for name in names]
    mixed = graph.node("MultiHeadAttention", *by_document, domain=_MS, num_heads=heads)
    return graph.node("Reshape", mixed, "flat")


def _layer(graph: _Graph, index: int, rows: str, network: _Network) -> str:
    """One transformer layer: (tokens, width) on its own grid to the same on the next layer's."""
    stem, weights = f"encoder.encoder.layer.{index}", network.weights
    own, out = network.attention(index)
    first, second = network.wide(index)
    mixed = _attention(graph, own, rows, network.heads)
    skip = _off_grid(graph, own, rows)
    both = graph.node("Add", out.of_bounded(graph, mixed, own.grid.centre), skip)
    attended = _norm(graph, f"{stem}.attention.output.LayerNorm", both, weights, first.grid)
    hidden = graph.node("Gelu", first.of_bounded(graph, attended))
    skip = _off_grid(graph, first, attended)
    both = second.of_gelu(graph, hidden, skip, first.grid.centre)
    last = index + 1 == network.layers
    grid = None if last else network.attention(index + 1)[0].grid
    return _norm(graph, f"{stem}.output.LayerNorm", both, weights, grid)


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


def _constants(graph: _Graph, width: int) -> None:
    """The constants that several nodes share."""
    graph.constant("middle", np.array(128, np.uint8))
    graph.constant("zero", np.array(0, np.uint8))
    graph.constant("one", np.array(1.0, np.float32))
    graph.constant("one_255th", np.array(1.0 / 255.0, np.float32))
    graph.constant("tiny", np.array(1e-8, np.float32))
    graph.constant("least_gelu", np.asarray(_LEAST_GELU, np.float32))
    graph.constant("axis_last", np.array([-1], np.int64))
    graph.constant("axis_0", np.array([0], np.int64))
    graph.constant("axis_1", np.array([1], np.int64))
    graph.constant("flat", np.array([-1, width], np.int64))
    graph.constant("width", np.array([width], np.int64))
    shape = graph.node("Shape", "ids")
    graph.nodes.append(
        helper.make_node("Concat", [shape, "width"], ["documents_by_tokens"], name="dbt", axis=0)
    )


def write_graph(weights: _Weights, heads: int, inputs: Mapping[str, Inputs], target: Path) -> None:
    """Write the graph for the network's state ``weights`` (names as in TwoHeadedBert).

    ``inputs`` says for each linear layer of the encoder what its inputs look like over some real
    texts. Input ``ids``: int64 (documents, tokens). Outputs: ``topic`` (documents, 20) and
    ``sentiment`` (documents, 9), logits in float32.
    """
    graph = _Graph()
    _constants(graph, weights["encoder.embeddings.word_embeddings.weight"].shape[1])
    network = _Network(weights, heads, inputs)
    rows = _embed(graph, network)
    for index in range(network.layers):
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
