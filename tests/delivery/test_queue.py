from concurrent.futures import ThreadPoolExecutor

from alerts.redis_store import RedisDeliveryQueue, connect
from tests.delivery.conftest import packed

NOW = 1_700_000_000_000


def put(store, partition: int, *lines: bytes) -> None:
    fence = store.claim(partition)
    store.commit(partition, fence, fence.offset + 1, [], list(lines))


def claim(queue, now: int, **wanted: int):
    return queue.claim(wanted or {"hook": 100, "file": 100}, now, 1000)


def test_each_transition_becomes_one_delivery_a_sink(store, queue):
    put(store, 0, packed("a"))
    put(store, 1, packed("b"), packed("b", 1, "resolved"))
    assert queue.fan_out(["hook", "file"], NOW) == 6
    assert queue.fan_out(["hook", "file"], NOW) == 0
    found = claim(queue, NOW)
    assert len({delivery.id for delivery in found}) == 6
    assert {delivery.partition for delivery in found} == {0, 1}


def test_a_transition_that_is_computed_again_is_not_delivered_again(store, queue):
    put(store, 0, packed("a"))
    assert queue.fan_out(["hook"], NOW) == 1
    put(store, 0, packed("a"))
    assert queue.fan_out(["hook"], NOW + 5000) == 0
    assert queue.waiting() == 1


def test_a_claim_lapses_so_that_a_dead_worker_loses_nothing(store, queue):
    put(store, 0, packed("a"))
    queue.fan_out(["hook"], NOW)
    first = claim(queue, NOW)
    assert claim(queue, NOW + 999) == []
    assert claim(queue, NOW + 1000) == first


def test_a_retry_keeps_the_id_and_counts_the_attempt(store, queue):
    put(store, 0, packed("a"))
    queue.fan_out(["hook"], NOW)
    [first] = claim(queue, NOW)
    queue.retry(first, NOW + 5000, "HTTP 503")
    assert claim(queue, NOW + 4999) == []
    [second] = claim(queue, NOW + 5000)
    assert (second.id, second.attempt, second.last) == (first.id, 1, "HTTP 503")


def test_what_is_done_or_given_up_does_not_come_again(store, queue):
    put(store, 0, packed("a"), packed("b"))
    queue.fan_out(["hook"], NOW)
    one, two = claim(queue, NOW)
    queue.done(one)
    queue.dead(two, "HTTP 410")
    assert queue.waiting() == 0
    [kept] = queue.given_up()
    assert (kept.id, kept.last) == (two.id, "HTTP 410")


def test_a_sink_is_given_as_many_as_it_can_take_and_no_partition_is_always_first(store, queue):
    for partition in (0, 1):
        put(store, partition, *[packed(f"p{partition}.{i}") for i in range(5)])
    queue.fan_out(["hook", "file"], NOW)
    first = claim(queue, NOW, hook=2)
    second = claim(queue, NOW, hook=2)
    assert {delivery.sink for delivery in first + second} == {"hook"}
    assert [len(first), len(second)] == [2, 2]
    assert first[0].partition != second[0].partition
    assert len(claim(queue, NOW, file=100, hook=100)) == 16


def test_what_somebody_else_has_settled_stays_settled(store, queue):
    put(store, 0, packed("a"))
    queue.fan_out(["hook"], NOW)
    [slow] = claim(queue, NOW)
    [quick] = claim(queue, NOW + 1000)
    queue.done(quick)
    queue.retry(slow, NOW + 1001, "timeout")
    queue.dead(slow, "timeout")
    assert queue.waiting() == 0
    assert claim(queue, NOW + 10_000) == []
    assert queue.given_up() == []


def test_what_is_handed_back_is_due_and_counts_no_attempt(store, queue):
    put(store, 0, packed("a"))
    queue.fan_out(["hook"], NOW)
    [first] = claim(queue, NOW)
    queue.release(first, NOW + 1)
    assert claim(queue, NOW + 1) == [first]


def test_two_workers_that_fan_out_at_once_make_one_delivery_of_each(store, queue, server):
    put(store, 0, *[packed(f"a{i}") for i in range(100)])
    others = [RedisDeliveryQueue(connect(server.url), 2) for _ in range(4)]
    with ThreadPoolExecutor() as threads:
        made = sum(threads.map(lambda worker: worker.fan_out(["hook"], NOW), others))
    assert made == queue.waiting() == 100
