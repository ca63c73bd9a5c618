"""The console of the door's tests, for what is kept of each account."""

from tests.connectors.console.door.conftest import accounts, commanded, file, identities, live, visited

__all__ = ["accounts", "commanded", "file", "identities", "live", "visited"]
