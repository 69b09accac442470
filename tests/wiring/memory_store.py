"""A store in memory that keeps the contract of ``alerts.store``, with faults on demand."""

from collections.abc import Sequence

from alerts.store import (
    Append,
    Behind,
    Delete,
    DeleteField,
    Fence,
    Fenced,
    Put,
    PutField,
    StoreUnavailable,
    Write,
)


class MemoryStore:
    """One process' WatchStore; ``down`` makes every call fail."""

    def __init__(self) -> None:
        self.strings: dict[tuple[int, str], bytes] = {}
        self.hashes: dict[tuple[int, str], dict[bytes, bytes]] = {}
        self.fences: dict[int, Fence] = {}
        self.outbox: list[bytes] = []
        self.down = False

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("told to be down")

    def claim(self, partition: int) -> Fence:
        self._answer()
        before = self.fences.get(partition, Fence(0, 0))
        self.fences[partition] = Fence(before.epoch + 1, before.offset)
        return self.fences[partition]

    def fields(self, partition: int, key: str) -> dict[bytes, bytes]:
        self._answer()
        return dict(self.hashes.get((partition, key), {}))

    def value(self, partition: int, key: str) -> bytes | None:
        self._answer()
        return self.strings.get((partition, key))

    def values(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        return [self.value(partition, key) for key in keys]

    def commit(
        self,
        partition: int,
        fence: Fence,
        next_offset: int,
        writes: Sequence[Write],
        outbox: Sequence[bytes],
    ) -> Fence:
        self._answer()
        stored = self.fences[partition]
        if stored.epoch != fence.epoch:
            raise Fenced
        if stored.offset == next_offset:
            return stored
        if stored.offset != fence.offset:
            raise Behind
        for write in writes:
            self._apply(partition, write)
        self.outbox += outbox
        self.fences[partition] = Fence(fence.epoch, next_offset)
        return self.fences[partition]

    def _apply(self, partition: int, write: Write) -> None:
        key = (partition, write.key)
        match write:
            case PutField(_, field, value):
                self.hashes.setdefault(key, {})[field] = value
            case DeleteField(_, field):
                self.hashes.get(key, {}).pop(field, None)
            case Append(_, value):
                self.strings[key] = self.strings.get(key, b"") + value
            case Put(_, value):
                self.strings[key] = value
            case Delete():
                self.strings.pop(key, None)
                self.hashes.pop(key, None)
