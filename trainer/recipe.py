"""Every choice of a training run in one value, so that a manifest can say what was done."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one fine-tuning run.

    ``layer_decay`` multiplies the learning rate once for each layer below the heads
    (Howard and Ruder, 2018, "discriminative fine-tuning"). ``ema`` is the decay of the
    averaged weights that are kept in the end (Polyak averaging). ``opinion_weight`` counts a
    teacher's opinion against a person's label.
    """

    epochs: int = 6
    learning_rate: float = 3e-4
    layer_decay: float = 0.9
    warmup_share: float = 0.08
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    batch_size: int = 64
    max_tokens: int = 128
    dropout: float = 0.1
    ema: float = 0.998
    negative_weight: float = 1.5
    noise_share: float = 0.3
    opinion_weight: float = 0.5
    seed: int = 20260101

    def as_dict(self) -> dict[str, float | int]:
        """The recipe as plain numbers, for the manifest."""
        return asdict(self)
