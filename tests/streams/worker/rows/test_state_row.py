from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.rows.state_row import (
    VERSION,
    Held,
    StateRow,
    UnreadableRow,
    calls_for_attention,
    decode_row,
    encode_row,
    of_term,
    sealed_row,
    term_of,
)

positions = st.tuples(st.text(max_size=20), st.integers(0, 1000), st.integers(0, 2**62))
held = st.builds(
    Held, st.text(max_size=20), st.integers(0, 99), st.integers(0, 2**62), st.integers(0, 2**50), st.binary(max_size=40)
)
rows = st.builds(
    StateRow,
    patient_id=st.text(max_size=64),
    model_id=st.text(max_size=30),
    model_hash=st.text(max_size=64),
    applied=st.lists(positions, max_size=6).map(tuple),
    latest=st.integers(-(2**62), 2**62),
    twin=st.binary(max_size=300),
    held=st.lists(held, max_size=4).map(tuple),
    outbox=st.lists(st.binary(max_size=30), max_size=3).map(tuple),
    late=st.lists(held, max_size=4).map(tuple),
    window=st.tuples(st.integers(0, 2**50), st.integers(0, 64_000)),
)
SOME = StateRow("P1", "m", "h", (("t", 0, 7),), 5, b"twin bytes", (), (), False)


@pytest.mark.slow
@given(rows)
def test_a_row_comes_back_as_it_was(row: StateRow) -> None:
    assert decode_row(encode_row(row)) == row


@given(rows)
def test_equal_rows_give_equal_bytes(row: StateRow) -> None:
    assert encode_row(row) == encode_row(msgspec.structs.replace(row))


@given(rows, st.data())
def test_a_truncated_row_is_refused(row: StateRow, data: st.DataObject) -> None:
    raw = encode_row(row)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(UnreadableRow):
        decode_row(raw[:cut])


@given(rows, st.data())
def test_a_row_with_any_altered_byte_is_refused(row: StateRow, data: st.DataObject) -> None:
    raw = bytearray(encode_row(row))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableRow):
        decode_row(bytes(raw))


def test_a_row_with_something_after_it_is_refused() -> None:
    with pytest.raises(UnreadableRow, match="CRC-32 does not match"):
        decode_row(encode_row(SOME) + b"\x00")


def test_a_row_of_another_schema_version_says_which() -> None:
    raw = bytearray(encode_row(SOME))
    raw[3] = VERSION + 1
    with pytest.raises(UnreadableRow, match=f"schema version {VERSION + 1}, this worker reads {VERSION}"):
        decode_row(bytes(raw))


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(UnreadableRow, match="state row starts with"):
        decode_row(b'{"i am": "json"}')


@given(rows)
def test_waiting_alerts_are_seen_without_decoding(row: StateRow) -> None:
    assert calls_for_attention(encode_row(row)) == bool(row.outbox or row.withheld or row.late)
    assert calls_for_attention(sealed_row("P", "row_too_large", "it is", row))
    assert calls_for_attention(b"DT"), "what is no row is to be named"


@given(rows, st.integers(0, 2**60), st.integers(0, 2**60))
def test_a_row_keeps_its_content_under_every_term(row: StateRow, first: int, second: int) -> None:
    written = of_term(of_term(encode_row(row), first), second)
    assert term_of(written) == second
    assert decode_row(written) == row
    assert calls_for_attention(written) == calls_for_attention(encode_row(row))
