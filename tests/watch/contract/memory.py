"""The contract's simplest member: a store in a dictionary."""

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
    Write,
)


class DictStore:
    def __init__(self) -> None:
        self.hashes: dict[tuple[int, str], dict[bytes, bytes]] = {}
        self.strings: dict[tuple[int, str], bytes] = {}
        self.outbox: list[bytes] = []
        self.fences: dict[int, Fence] = {}

    def claim(self, partition: int) -> Fence:
        at = self.fences.get(partition, Fence(0, 0))
        self.fences[partition] = Fence(at.epoch + 1, at.offset)
        return self.fences[partition]

    def fields(self, partition: int, key: str) -> dict[bytes, bytes]:
        return dict(self.hashes.get((partition, key), {}))

    def value(self, partition: int, key: str) -> bytes | None:
        return self.strings.get((partition, key))

    def values(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        return [self.strings.get((partition, key)) for key in keys]

    def commit(
        self,
        partition: int,
        fence: Fence,
        next_offset: int,
        writes: Sequence[Write],
        outbox: Sequence[bytes],
    ) -> Fence:
        at = self.fences.get(partition, Fence(0, 0))
        if at.epoch != fence.epoch:
            raise Fenced(f"epoch {at.epoch}, ours is {fence.epoch}")
        if at.offset != next_offset:
            if at.offset != fence.offset:
                raise Behind(f"offset {at.offset}, ours is {fence.offset}")
            for write in writes:
                self._apply(partition, write)
            self.outbox += outbox
            self.fences[partition] = Fence(fence.epoch, next_offset)
        return self.fences[partition]

    def size(self) -> int:
        """Bytes held, names included."""
        strings = sum(len(key[1]) + len(value) for key, value in self.strings.items())
        return strings + sum(
            len(key[1]) + sum(len(field) + len(value) for field, value in fields.items())
            for key, fields in self.hashes.items()
        )

    def _apply(self, partition: int, write: Write) -> None:
        key = (partition, write.key)
        match write:
            case PutField(_, field, value):
                self.hashes.setdefault(key, {})[field] = value
            case DeleteField(_, field):
                held = self.hashes.get(key, {})
                held.pop(field, None)
                if not held:
                    self.hashes.pop(key, None)
            case Append(_, value):
                self.strings[key] = self.strings.get(key, b"") + value
            case Put(_, value):
                self.strings[key] = value
            case Delete():
                self.strings.pop(key, None)
                self.hashes.pop(key, None)
