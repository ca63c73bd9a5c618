"""Ids of what devices said last, as they are kept by a twin that waits for its next event.

A device's reading is told once and told again; so the newest ids are known with a digest of what they said. As a table
of 512 ids that takes some 80 KiB, as these bytes a seventh.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

_HEX, _TEXT = b"x", b"t"

# Made once, on import: to make a decoder builds its types, which two threads must never do at the same time.
_decoder = msgspec.msgpack.Decoder(dict[bytes, bytes])


def pack_ids(recent: Mapping[str, bytes]) -> bytes:
    """Ids and digests, the oldest first; an id that is hex digits, as `twin.events.event_id` makes them, as its bytes.

    >>> unpack_ids(pack_ids({"watch-1/17": b"12345678", "00ff": b"12345678"}))
    {'watch-1/17': b'12345678', '00ff': b'12345678'}
    """
    return zlib.compress(msgspec.msgpack.encode({_shortened(name): digest for name, digest in recent.items()}), 1)


def unpack_ids(packed: bytes) -> dict[str, bytes]:
    """Inverse of `pack_ids`."""
    found = _decoder.decode(zlib.decompress(packed))
    return {name[1:].hex() if name[:1] == _HEX else name[1:].decode(): digest for name, digest in found.items()}


def _shortened(name: str) -> bytes:
    try:
        short = bytes.fromhex(name)
    except ValueError:
        return _TEXT + name.encode()
    return _HEX + short if short.hex() == name else _TEXT + name.encode()
