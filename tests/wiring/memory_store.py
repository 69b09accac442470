"""The contract suite's store in a dictionary, with an outage on demand."""

from collections.abc import Sequence

from alerts.store import Fence, StoreUnavailable, Write
from tests.watch.contract.memory import DictStore


class MemoryStore(DictStore):
    """``down`` makes every call fail."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("told to be down")

    def claim(self, partition: int) -> Fence:
        self._answer()
        return super().claim(partition)

    def fields(self, partition: int, key: str) -> dict[bytes, bytes]:
        self._answer()
        return super().fields(partition, key)

    def value(self, partition: int, key: str) -> bytes | None:
        self._answer()
        return super().value(partition, key)

    def values(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        self._answer()
        return super().values(partition, keys)

    def commit(
        self,
        partition: int,
        fence: Fence,
        next_offset: int,
        writes: Sequence[Write],
        outbox: Sequence[bytes],
    ) -> Fence:
        self._answer()
        return super().commit(partition, fence, next_offset, writes, outbox)
