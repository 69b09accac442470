"""The store against a real server, and what a crash of that server does to it."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alerts.redis_store import RedisWatchStore, connect
from alerts.store import Append, Behind, Delete, Fence, Fenced, Put, PutField, StoreUnavailable
from barograph.valkey import EmbeddedValkey
from tests.watch.contract.store_contract import WatchStoreContract


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def store(server):
    client = connect(server.url)
    client.flushall()
    return RedisWatchStore(client)


class TestRedisWatchStore(WatchStoreContract):
    pass


def test_a_large_commit_goes_through_whole(store):
    writes = [
        PutField("series", b"series %d" % i, random.Random(i).randbytes(200)) for i in range(5000)
    ]
    writes += [Append(f"open:s{i}:0", b"x" * 1000) for i in range(500)]
    store.commit(0, store.claim(0), 1, writes, [b"{}"] * 300)
    assert len(store.fields(0, "series")) == 5000
    assert len(store.history(1, limit=1000)) == 300


def test_a_server_that_forgot_its_scripts_is_told_them_again(store, server):
    fence = store.commit(0, store.claim(0), 1, [Put("partition", b"1")], [])
    connect(server.url).script_flush()
    assert store.commit(0, fence, 2, [Put("partition", b"2")], []).offset == 2


def test_a_store_that_lost_the_last_commits_says_that_it_is_behind(store, server):
    fence = store.commit(0, store.claim(0), 5, [], [])
    later = store.commit(0, fence, 9, [], [])
    connect(server.url).hset("{barograph:0}:fence", "offset", 5)
    with pytest.raises(Behind):
        store.commit(0, later, 12, [Put("partition", b"x")], [])
    assert store.value(0, "partition") is None


def test_a_full_server_refuses_the_whole_commit(store, server):
    client = connect(server.url)
    fence = store.claim(0)
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="memory"):
            store.commit(0, fence, 1, [Put("partition", b"1"), Put("other", b"2")], [b"{}"])
    finally:
        client.config_set("maxmemory", 0)
    assert store.values(0, ["partition", "other"]) == [None, None]
    assert store.commit(0, fence, 1, [Put("partition", b"1")], []).offset == 1


def test_without_a_server_the_store_is_unavailable(tmp_path: Path):
    with pytest.raises(StoreUnavailable):
        RedisWatchStore(connect(f"unix://{tmp_path}/nobody.sock")).claim(0)


@pytest.mark.parametrize("spoilt", ["closed:x", "open:x:1", "outbox", "history"])
def test_data_of_another_kind_stops_a_commit_before_it_writes(store, server, spoilt: str):
    fence = store.claim(0)
    connect(server.url).lpush(f"{{barograph:0}}:{spoilt}", "not ours")
    writes = [
        Put("partition", b"1"),
        Append("open:y:1", b"1"),
        PutField("closed:x", b"1", b"2"),
        Append("open:x:1", b"1"),
    ]
    with pytest.raises(StoreUnavailable, match=spoilt):
        store.commit(0, fence, 1, writes, [b"{}"])
    assert store.values(0, ["partition", "open:y:1"]) == [None, None]
    store.commit(0, fence, 1, [Delete(spoilt), *writes], [])
    assert store.value(0, "open:x:1") == b"1"


def test_a_commit_of_five_thousand_readings_in_two_hundred_series(store):
    writes = [Append(f"open:s{i % 200}:60000", b"%04d" % i) for i in range(5000)]
    store.commit(0, store.claim(0), 5000, writes, [])
    values = store.values(0, [f"open:s{i}:60000" for i in range(200)])
    assert [len(value) for value in values] == [100] * 200
    assert values[7].startswith(b"000702070407")


def commit_until_it_fails(store: RedisWatchStore, fence: Fence) -> int:
    while True:
        try:
            fence = store.commit(0, fence, fence.offset + 1, [Append("open:x:1", b"x")], [b"{}"])
        except StoreUnavailable:
            return fence.offset


def test_a_server_killed_under_load_keeps_whole_commits_in_order(tmp_path: Path):
    server = EmbeddedValkey(tmp_path)
    server.start()
    told = 0
    for _ in range(4):
        store = RedisWatchStore(connect(server.url))
        fence = store.claim(0)
        assert fence.offset <= told
        assert len(store.value(0, "open:x:1") or b"") == fence.offset
        assert len(store.history(1, limit=100_000)) == fence.offset
        killer = threading.Timer(0.3, server.kill)
        killer.start()
        told = commit_until_it_fails(store, fence) + 1  # the last may have been taken
        killer.join()
        server.start()
    server.stop()
    assert told > 100


def test_two_owners_that_write_at_once_never_both_succeed(store, server):
    def own(_: int) -> int:
        mine = RedisWatchStore(connect(server.url))
        done = 0
        for _ in range(30):
            fence = mine.claim(0)
            try:
                while done < 200:
                    fence = mine.commit(
                        0, fence, fence.offset + 1, [Append("open:x:1", b"x")], [b"{}"]
                    )
                    done += 1
            except Fenced:
                continue
        return done

    with ThreadPoolExecutor(4) as threads:
        done = sum(threads.map(own, range(4)))
    assert store.claim(0).offset == done
    assert len(store.value(0, "open:x:1")) == done
