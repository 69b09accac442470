from tests.delivery.conftest import packed

NOW = 1_700_000_000_000


def put(store, partition: int, *lines: bytes) -> None:
    fence = store.claim(partition)
    store.commit(partition, fence, fence.offset + 1, [], list(lines))


def test_each_transition_becomes_one_delivery_a_sink(store, queue):
    put(store, 0, packed("a"))
    put(store, 1, packed("b"), packed("b", 1, "resolved"))
    assert queue.fan_out(["hook", "file"], NOW) == 6
    assert queue.fan_out(["hook", "file"], NOW) == 0
    found = queue.claim(NOW, 1000, 100)
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
    first = queue.claim(NOW, 1000, 10)
    assert queue.claim(NOW + 999, 1000, 10) == []
    assert queue.claim(NOW + 1000, 1000, 10) == first


def test_a_retry_keeps_the_id_and_counts_the_attempt(store, queue):
    put(store, 0, packed("a"))
    queue.fan_out(["hook"], NOW)
    [first] = queue.claim(NOW, 1000, 10)
    queue.retry(first, NOW + 5000, "HTTP 503")
    assert queue.claim(NOW + 4999, 1000, 10) == []
    [second] = queue.claim(NOW + 5000, 1000, 10)
    assert (second.id, second.attempt, second.last) == (first.id, 1, "HTTP 503")


def test_what_is_done_or_given_up_does_not_come_again(store, queue, client):
    put(store, 0, packed("a"), packed("b"))
    queue.fan_out(["hook"], NOW)
    one, two = queue.claim(NOW, 1000, 10)
    queue.done(one)
    queue.dead(two, "HTTP 410")
    assert queue.waiting() == 0
    assert client.hlen("{barograph:0}:given-up") == 1
