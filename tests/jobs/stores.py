"""Stores of the logs that are not as they should be, in the place of a running site's."""

from __future__ import annotations

import threading

from app.site import Site
from app.stores.objects import ObjectStore, StoreError


class FailingStore(ObjectStore):
    """The site's store, which fails at what it is asked for once `left` reads are done."""

    def __init__(self, site: Site, left: int = 0) -> None:
        self._real = site.logs.store
        super().__init__(None, self._real.name)
        self._left = left
        site.logs.store = self

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if self._left == 0:
            raise StoreError("The store went away.")
        self._left -= 1
        return self._real.get_range(key, start, length)


class HeldStore(ObjectStore):
    """The site's store, which answers nobody until `let_go` is set; `asked` is released once a call."""

    def __init__(self, site: Site) -> None:
        self._real = site.logs.store
        super().__init__(None, self._real.name)
        self.asked = threading.Semaphore(0)
        self.let_go = threading.Event()
        site.logs.store = self

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.asked.release()
        assert self.let_go.wait(60)
        return self._real.get_range(key, start, length)
