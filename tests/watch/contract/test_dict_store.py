"""The store that the other tests use keeps the contract itself."""

import pytest

from tests.watch.contract.memory import DictStore
from tests.watch.contract.store_contract import WatchStoreContract


class TestDictStore(WatchStoreContract):
    @pytest.fixture
    def store(self) -> DictStore:
        return DictStore()
