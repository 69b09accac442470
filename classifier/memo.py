"""Predictions that are already known: an identical text is not computed twice."""

from collections import OrderedDict

from classifier.engine import Prediction


class Memo:
    """The last ``size`` texts of one model version and their predictions."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[str, Prediction] = OrderedDict()

    def get(self, text: str) -> Prediction | None:
        """The prediction for ``text``, if it was made not long ago."""
        if (known := self._known.get(text)) is not None:
            self._known.move_to_end(text)
        return known

    def put(self, text: str, prediction: Prediction) -> None:
        """Remember a prediction and forget the one unused for longest."""
        self._known[text] = prediction
        if len(self._known) > self._size:
            self._known.popitem(last=False)
