from hypothesis import given
from hypothesis import strategies as st

from classifier.batching import equal_length_batches


@given(st.lists(st.integers(1, 40), max_size=200), st.integers(1, 300))
def test_every_text_is_in_exactly_one_batch_of_its_own_length(lengths: list[int], budget: int):
    batches = list(equal_length_batches(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[i] for i in batch}) == 1
        assert len(batch) == 1 or sum(lengths[i] for i in batch) <= budget
