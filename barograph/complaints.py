"""What was wrong with lines of the input, told one by one until it would be too much."""

from rich.console import Console


class Complaints:
    """Prints the first of them and says that the others are only counted."""

    def __init__(self, console: Console, what: str, most: int = 20) -> None:
        """``what`` names the others ("refused lines"), ``most`` is how many are told."""
        self._console = console
        self._what = what
        self._most = most
        self._told = 0

    def tell(self, complaint: str) -> None:
        """Print one more, or no more."""
        self._told += 1
        if self._told <= self._most:
            self._console.print(complaint, markup=False)
        elif self._told == self._most + 1:
            self._console.print(f"further {self._what} are only counted", markup=False)
