"""The store against a real server, and what a crash of that server does to it."""

import random
from pathlib import Path

import pytest

from alerts.redis_store import RedisWatchStore, connect
from alerts.store import Append, Behind, Put, PutField, StoreUnavailable
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
