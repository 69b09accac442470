"""The 8-bit graph against the network that it was written from: a network of a few weights."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="training comes with the extra [train]")
torch = pytest.importorskip("torch", reason="training comes with the extra [train]")
import onnxruntime  # noqa: E402
from transformers import BertConfig  # noqa: E402

from classifier.network import TwoHeadedBert  # noqa: E402
from trainer.graph import write_graph  # noqa: E402
from trainer.rounding import compensated, nearest  # noqa: E402
from trainer.statistics import Gathered  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=200,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    network = TwoHeadedBert(config, 0.0).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0) if parameter.dim() > 1 else None
    return network


@pytest.fixture(scope="module")
def session(network, tmp_path_factory):
    gathered: dict[str, Gathered] = {}

    def watch(name):
        return lambda _, inputs: gathered.setdefault(name, Gathered()).note(
            inputs[0].flatten(0, -2).numpy()
        )

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("encoder.")
    ]
    with torch.inference_mode():
        for seed in range(20):
            network(ids(20, 30, seed))
    for hook in hooks:
        hook.remove()
    target: Path = tmp_path_factory.mktemp("graph") / "model.onnx"
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    write_graph(weights, 4, {name: one.inputs() for name, one in gathered.items()}, target)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(target), options)


def ids(documents: int, tokens: int, seed: int):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 200, (documents, tokens)))


def test_the_graph_gives_the_networks_logits(network, session):
    batch = ids(200, 17, 99)
    with torch.inference_mode():
        expected = network(batch)
    for theirs, ours in zip(expected, session.run(None, {"ids": batch.numpy()}), strict=True):
        error, spread = np.abs(theirs.numpy() - ours), theirs.std().item()
        assert error.mean() < 0.01 * spread
        assert error.max() < 0.15 * spread


@pytest.mark.parametrize("tokens", [3, 16, 33, 64])
def test_the_graphs_logits_do_not_depend_on_the_batch(session, tokens):
    batch = ids(50, tokens, tokens).numpy()
    whole = session.run(None, {"ids": batch})
    for size in (1, 2, 3, 7):
        for all_rows, part in zip(whole, session.run(None, {"ids": batch[-size:]}), strict=True):
            assert np.array_equal(all_rows[-size:], part)


def test_compensated_rounding_changes_products_less_than_the_nearest_does():
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(500, 8)) @ rng.normal(size=(8, 96))).astype(np.float32)
    weight = rng.normal(size=(96, 32)).astype(np.float32)
    moments = (rows.T @ rows / len(rows)).astype(np.float64)
    errors = [
        np.square(rows @ (whole * scale - weight)).mean()
        for whole, scale in (nearest(weight), compensated(weight, moments))
    ]
    assert errors[1] < 0.3 * errors[0]


def test_statistics_are_the_same_however_the_rows_arrive():
    rows = np.random.default_rng(2).normal(size=(5000, 3)).astype(np.float32)
    whole, bits = Gathered(), Gathered()
    whole.note(rows)
    for start in range(0, 5000, 700):
        bits.note(rows[start : start + 700])
    for a, b in ((whole.inputs(), bits.inputs()),):
        assert np.array_equal(a.low, b.low)
        assert np.array_equal(a.high, b.high)
        assert b.mean == pytest.approx(rows.mean(axis=0), abs=1e-5)
        assert b.moments == pytest.approx(rows.T @ rows / 5000, abs=1e-5)


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no texts"):
        Gathered().inputs()
