import json
from pathlib import Path

import pytest

from classifier.engine import Prediction
from classifier.labels import SENTIMENTS, TOPICS
from classifier.registry import ModelProblem, Registry, read_manifest
from classifier.serving import ServingEngine


def _version(folder: Path, name: str, **changes: object) -> None:
    content = {
        "version": name,
        "labels": {"topic": list(TOPICS), "sentiment": list(SENTIMENTS)},
        "calibration": {"topic_temperature": 1.0, "sentiment_temperature": 1.0},
        "engine_agreement": {"topic": 1.0, "sentiment": 1.0},
        "engine_accuracy_loss": {"topic": 0.0, "sentiment": 0.0},
        "probes": [],
    } | changes
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.json").write_text(json.dumps(content))


class Named:
    def __init__(self, folder: Path) -> None:
        self.model_version = read_manifest(folder).version

    def classify(self, texts) -> list[Prediction]:
        return [Prediction((1.0,) * 20, (1.0, 0.0, 0.0)) for _ in texts]


def test_a_folder_without_a_manifest_is_no_version(tmp_path: Path):
    _version(tmp_path, "one")
    (tmp_path / "half-written").mkdir()
    assert Registry(tmp_path).versions() == ["one"]
    with pytest.raises(ModelProblem, match="not a complete model version"):
        Registry(tmp_path).promote("half-written")


def test_a_version_for_other_labels_is_refused(tmp_path: Path):
    _version(tmp_path, "foreign", labels={"topic": ["a"], "sentiment": ["b"]})
    with pytest.raises(ModelProblem, match="other labels"):
        read_manifest(tmp_path / "foreign")


def test_no_champion_is_a_clear_problem(tmp_path: Path):
    with pytest.raises(ModelProblem, match="no champion"):
        Registry(tmp_path).champion()


def test_a_new_champion_serves_from_the_next_batch_on(tmp_path: Path):
    registry = Registry(tmp_path)
    _version(tmp_path, "old")
    _version(tmp_path, "new")
    registry.promote("old")
    serving = ServingEngine(registry, Named)
    assert serving.current().model_version == "old"
    registry.promote("new")
    assert serving.current().model_version == "new"


def test_a_champion_that_does_not_load_leaves_the_old_one_in_service(tmp_path: Path):
    registry = Registry(tmp_path)
    _version(tmp_path, "old")
    registry.promote("old")
    serving = ServingEngine(registry, Named)
    (tmp_path / "champion").write_text("gone\n")
    assert serving.current().model_version == "old"
    assert serving.problem is not None
    assert "gone" in serving.problem
