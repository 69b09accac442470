from hypothesis import given
from hypothesis import strategies as st

from classifier.batching import equal_length_batches

LENGTHS = st.lists(st.integers(1, 40), max_size=200)
BUDGETS = st.integers(1, 300)


@given(LENGTHS, BUDGETS)
def test_every_text_is_in_exactly_one_batch_of_its_own_length(lengths: list[int], budget: int):
    batches = list(equal_length_batches(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[i] for i in batch}) == 1
        assert len(batch) == 1 or sum(lengths[i] for i in batch) <= budget


@given(LENGTHS, BUDGETS)
def test_the_batch_with_most_tokens_comes_first(lengths: list[int], budget: int):
    batches = equal_length_batches(lengths, budget)
    work = [sum(lengths[i] for i in batch) for batch in batches]
    assert work == sorted(work, reverse=True)
