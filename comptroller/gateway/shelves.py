"""The memories that settings name: vector stores and agent memories the gateway may send requests to."""

from collections.abc import Sequence

from comptroller.core.clock import Clock
from comptroller.core.errors import SettingsError
from comptroller.core.settings import Gateway, MemoryStore, Provider
from comptroller.dialects.memory.routes import Store
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import Target


class Shelves:
    """The memories that settings name, each ready to be asked."""

    def __init__(self, stores: Sequence[MemoryStore], gateway: Gateway, clock: Clock) -> None:
        self._stores = {store.name: store for store in stores}
        if len(self._stores) < len(stores):
            raise SettingsError("memories: two have the same name. Give each its own.")
        self._targets = {store.name: Target(_provider(store), gateway, clock) for store in stores}

    def find(self, name: str) -> tuple[Store, Target]:
        """The store of a name."""
        store = self._stores.get(name)
        if store is None:
            known = ", ".join(self._stores) or "none yet"
            raise Stop(
                404,
                "not_found",
                f"There is no memory {name[:64]!r} (there are {known}). Name it under `memories` in comptroller.yaml.",
            )
        return Store(name, store.format), self._targets[name]

    def reload(self) -> None:
        """Take over rotated keys."""
        for target in self._targets.values():
            target.reload()


def _provider(store: MemoryStore) -> Provider:
    """The store as what calls go to: only its format is none of a model's."""
    said = store.model_dump()
    return Provider.model_construct(models=["*"], provider="", fallback=[], **said)
