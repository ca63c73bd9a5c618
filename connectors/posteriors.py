"""Messages of twins as bytes: an ``.npz`` of NumPy without pickled objects, of equal messages the same bytes."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from twin.learning.message import BadMessage, Message, arrays_of, from_arrays


def packed(message: Message) -> bytes:
    """A message as bytes."""
    file = io.BytesIO()
    np.savez(file, **arrays_of(message))
    return file.getvalue()


def unpacked(raw: bytes) -> Message:
    """Inverse of `packed`; other arrays may stand beside the message's.

    Raises:
        BadMessage: it is none, or damaged.
    """
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise BadMessage(f"not a message of a twin ({error}); 'dosetwin replay' writes them to posterior/") from None
    return from_arrays(found)
