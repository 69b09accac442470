"""What every WatchStore must do. A member is a subclass with a ``store`` fixture (empty)."""

import pytest

from alerts.store import (
    Append,
    Behind,
    Delete,
    DeleteField,
    Fenced,
    Put,
    PutField,
    WatchStore,
)


class WatchStoreContract:
    def test_a_new_partition_begins_at_offset_zero(self, store: WatchStore) -> None:
        assert store.claim(0).offset == 0

    def test_each_claim_raises_the_epoch_and_keeps_the_offset(self, store: WatchStore) -> None:
        first = store.claim(0)
        store.commit(0, first, 7, [], [])
        second = store.claim(0)
        assert (second.epoch, second.offset) == (first.epoch + 1, 7)

    def test_what_is_absent_reads_as_empty(self, store: WatchStore) -> None:
        assert store.fields(0, "series") == {}
        assert store.value(0, "partition") is None
        assert store.values(0, ["a", "b"]) == [None, None]

    def test_writes_are_read_back(self, store: WatchStore) -> None:
        fence = store.claim(0)
        binary = bytes(range(256))
        writes = [
            PutField("series", b"a\x00b", binary),
            PutField("series", b"gone", b"1"),
            DeleteField("series", b"gone"),
            Append("open:x:1", b"one"),
            Append("open:x:1", binary),
            Put("partition", binary),
            Put("old", b"1"),
            Delete("old"),
        ]
        store.commit(0, fence, 1, writes, [])
        assert store.fields(0, "series") == {b"a\x00b": binary}
        assert store.values(0, ["partition", "old", "open:x:1"]) == [
            binary,
            None,
            b"one" + binary,
        ]

    def test_a_key_is_deleted_whatever_it_holds(self, store: WatchStore) -> None:
        fence = store.commit(0, store.claim(0), 1, [PutField("closed:x", b"1", b"2")], [])
        store.commit(0, fence, 2, [Delete("closed:x"), DeleteField("closed:x", b"1")], [])
        assert store.fields(0, "closed:x") == {}

    def test_partitions_share_nothing(self, store: WatchStore) -> None:
        store.commit(0, store.claim(0), 5, [Put("partition", b"zero")], [])
        assert store.claim(1).offset == 0
        assert store.value(1, "partition") is None

    def test_the_same_commit_again_changes_nothing(self, store: WatchStore) -> None:
        fence = store.claim(0)
        first = store.commit(0, fence, 3, [Append("open:x:1", b"one")], [b"line"])
        again = store.commit(0, fence, 3, [Append("open:x:1", b"one")], [b"line"])
        assert again == first
        assert store.value(0, "open:x:1") == b"one"

    def test_an_earlier_owner_cannot_write(self, store: WatchStore) -> None:
        old = store.claim(0)
        store.claim(0)
        with pytest.raises(Fenced):
            store.commit(0, old, 1, [Put("partition", b"old")], [])
        assert store.value(0, "partition") is None

    def test_an_owner_at_another_offset_cannot_write(self, store: WatchStore) -> None:
        fence = store.claim(0)
        store.commit(0, fence, 5, [], [])
        with pytest.raises(Behind):
            store.commit(0, fence, 9, [Put("partition", b"wrong")], [])
        assert store.value(0, "partition") is None
