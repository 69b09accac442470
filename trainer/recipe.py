"""Every choice of a training run in one value, so that a manifest can say what was done."""

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a whole training: the teachers, then the student that is kept.

    ``layer_decay`` multiplies the learning rate once for each layer below the heads
    (Howard and Ruder, 2018, "discriminative fine-tuning"). ``ema`` is the decay of the
    averaged weights that are kept in the end (Polyak averaging). ``manner_weight`` is that of
    telling which convention a text belongs to (see ``classifier.labels.CONVENTIONS``); in the
    student's run a sentence of this project's own counts ``own_manner_weight`` times there,
    since so few stand for so many outlets.
    ``judged_weight`` counts a judgement made in this project against a data set's label.

    Each of ``teachers`` networks learns from all clusters but its own share and then gives its
    opinion of that share (cross-fitting); a single teacher learns from all. The student starts
    from the mean of the teachers' weights, at ``student_rate``. Its target is ``label_share``
    parts label and the rest opinion; a row without a label is all opinion, at
    ``opinion_weight``. ``unlabelled`` is the number of rows without any label that it sees.
    """

    epochs: int = 4
    student_epochs: int = 2
    learning_rate: float = 3e-4
    student_rate: float = 2e-4
    layer_decay: float = 0.9
    warmup_share: float = 0.08
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    batch_size: int = 64
    max_tokens: int = 128
    dropout: float = 0.1
    ema: float = 0.998
    negative_weight: float = 1.2
    manner_weight: float = 0.3
    own_manner_weight: float = 5.0
    noise_share: float = 0.3
    teachers: int = 1
    label_share: float = 0.7
    opinion_weight: float = 0.5
    judged_weight: float = 0.8
    unlabelled: int = 8_000
    seed: int = 20260101

    def as_dict(self) -> dict[str, float | int]:
        """The recipe as plain numbers, for the manifest."""
        return asdict(self)

    def with_seed(self, seed: int) -> "Recipe":
        """The same choices from another start."""
        return replace(self, seed=seed)

    def of_teacher(self, number: int) -> "Recipe":
        """The choices of one teacher's run."""
        return replace(self, seed=self.seed + number)

    def of_student(self) -> "Recipe":
        """The choices of the student's run."""
        return replace(self, epochs=self.student_epochs, learning_rate=self.student_rate)


# Added to the logits of each convention when training is over. Most training rows are desk tweets,
# so an unknown headline was taken for one too readily: see docs/model-log.md.
MANNER_PRIOR = (-1.0, 0.0, 0.0)

RECIPES = {"default": Recipe(), "plain": Recipe(teachers=0, epochs=4)}
