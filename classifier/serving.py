"""The champion in service: taken anew between two batches when the pointer moves."""

from collections.abc import Callable
from pathlib import Path

from classifier.engine import Engine
from classifier.registry import ModelProblem, Registry


class ServingEngine:
    """Hands out the champion's engine.

    A champion that does not load leaves the old one in service: ``problem`` then says why.
    """

    def __init__(self, registry: Registry, opener: Callable[[Path], Engine]) -> None:
        self._registry = registry
        self._opener = opener
        self._folder = registry.champion()
        self._engine = opener(self._folder)
        self.problem: str | None = None

    def current(self) -> Engine:
        """The engine for the next batch."""
        try:
            folder = self._registry.champion()
            if folder != self._folder:
                self._engine = self._opener(folder)
                self._folder = folder
            self.problem = None
        except (ModelProblem, OSError) as problem:
            self.problem = str(problem)
        return self._engine
