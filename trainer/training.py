"""The default training: teachers that never saw what they judge, then a student of them all."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from classifier.labels import SENTIMENTS
from classifier.network import TwoHeadedBert
from trainer.checkpoint import Checkpoint
from trainer.datasets import Example, Opinion, with_opinions
from trainer.finetune import finetune, load_base
from trainer.material import Material, fingerprint
from trainer.opinions import mean, opinions
from trainer.recipe import MANNER_PRIOR, Recipe

Told = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class Training:
    """A recipe, its base checkpoint, and the folder where finished networks are kept.

    Every finished network is a file of ``work``, and an unfinished one has a checkpoint there:
    a training that was cut off goes on where it was. ``told`` hears of each step: the name of
    the network, steps done, steps in all, the loss.
    """

    base: Path
    recipe: Recipe
    work: Path
    told: Told = lambda name, step, steps, loss: None

    def tokenizer(self) -> Tokenizer:
        """The base's tokenizer, cutting at the recipe's length."""
        tokenizer = Tokenizer.from_file(str(self.base / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.recipe.max_tokens)
        return tokenizer

    def student(self, material: Material) -> TwoHeadedBert:
        """Train the teachers, then the student."""
        student = self._taught(material)
        with torch.no_grad():
            student.sentiment.bias.add_(
                torch.tensor(MANNER_PRIOR).repeat_interleave(len(SENTIMENTS))
            )
        return student

    def _taught(self, material: Material) -> TwoHeadedBert:
        recipe, base = self.recipe, self._fresh()
        if not recipe.teachers:
            return self._network("student", material.labelled, recipe, base)
        teachers = [self._teacher(material, number) for number in range(recipe.teachers)]
        lessons = self._lessons(material, teachers)
        return self._network("student", lessons, recipe.of_student(), _middle(teachers))

    def _fresh(self) -> TwoHeadedBert:
        torch.manual_seed(self.recipe.seed)  # the heads start at random, but alike in all runs
        return load_base(self.base, self.recipe.dropout)

    def _teacher(self, material: Material, number: int) -> TwoHeadedBert:
        """A network that has seen all shares but its own; a single one has seen all."""
        pairs = zip(material.labelled, material.fold, strict=True)
        alone = self.recipe.teachers == 1
        rows = [example for example, fold in pairs if alone or fold != number]
        recipe = self.recipe.of_teacher(number)
        return self._network(f"teacher-{number}", rows, recipe, self._fresh())

    def _lessons(self, material: Material, teachers: list[TwoHeadedBert]) -> list[Example]:
        """The training rows with their teachers' opinions, then rows that have only those."""
        own: dict[int, Opinion] = {}
        of_rest: list[list[Opinion]] = []
        for number, teacher in enumerate(teachers):
            unseen = [i for i, fold in enumerate(material.fold) if fold == number]
            rows = [material.labelled[i] for i in unseen] + material.unlabelled
            texts = [example.text for example in rows]
            found = opinions(teacher, texts, self.tokenizer())
            own |= dict(zip(unseen, found[: len(unseen)], strict=True))
            of_rest.append(found[len(unseen) :])
        rest = [mean(several) for several in zip(*of_rest, strict=True)]
        heavy = self.recipe.own_manner_weight
        own_sentences = [
            replace(example, manner_weight=heavy) for example in material.labelled[: material.own]
        ]
        data = own_sentences + material.labelled[material.own :] + material.unlabelled
        views = [own[i] for i in range(len(material.labelled))] + rest
        return with_opinions(data, views, self.recipe.label_share, self.recipe.opinion_weight)

    def _network(
        self, name: str, data: list[Example], recipe: Recipe, network: TwoHeadedBert
    ) -> TwoHeadedBert:
        """The network ``name``, trained on ``data`` now, or before if its file is that run's."""
        self.work.mkdir(parents=True, exist_ok=True)
        run = fingerprint(data, recipe.as_dict())
        file = self.work / f"{name}-{run[:12]}.safetensors"
        if file.exists():
            network.load_state_dict(load_file(file))
            return network.eval()
        checkpoint = Checkpoint(file.with_suffix(".checkpoint"), run)

        def progress(step: int, steps: int, loss: float) -> None:
            self.told(name, step, steps, loss)

        finetune(network, data, self.tokenizer(), recipe, progress, checkpoint)
        partial = file.with_suffix(".partial")
        save_file(network.state_dict(), partial)
        partial.rename(file)
        checkpoint.clear()
        return network


def _middle(networks: list[TwoHeadedBert]) -> TwoHeadedBert:
    """A network with the mean of the weights (Wortsman et al., 2022, "model soups")."""
    states = [network.state_dict() for network in networks]
    middle = copy.deepcopy(networks[0])
    middle.load_state_dict(
        {
            name: torch.stack([state[name] for state in states]).mean(0)
            if value.is_floating_point()
            else value
            for name, value in states[0].items()
        }
    )
    return middle
