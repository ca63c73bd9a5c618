"""The documents in a body: one, an array, or lines, each byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import NotAFact
from connectors.protocols.items import decoded, items

DOCUMENTS = st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=5)), max_size=4)


@given(DOCUMENTS)
def test_an_array_and_lines_are_the_same_documents(documents: list[object]) -> None:
    given = [json.dumps(one).encode() for one in documents]
    assert [json.loads(one) for one in items(b" [" + b" , ".join(given) + b"]", lines=False)] == documents
    assert items(b"\n\n".join(given) + b"\r\n", lines=True) == given


def test_numbers_keep_their_digits() -> None:
    assert items(b'[{"v": 1.10}, {"v": 123456789012345678901}]', lines=False) == [
        b'{"v": 1.10}',
        b'{"v": 123456789012345678901}',
    ]


@pytest.mark.parametrize(
    ("body", "reason"), [(b"[{]", "malformed"), (b"[" * 100_000, "malformed"), (b"[1", "malformed")]
)
def test_an_array_that_is_none_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(NotAFact) as refused:
        items(body, lines=False)
    assert refused.value.reason == reason


def test_what_is_no_array_is_one_document() -> None:
    assert items(b"{", lines=False) == [b"{"]
    assert items(b"", lines=False) == [b""]


@pytest.mark.parametrize(
    ("raw", "reason", "said"),
    [(b"{", "malformed", "no JSON"), (b"[" * 100_000, "malformed", "no JSON"), (b'"\xff"', "charset", "is not UTF-8")],
)
def test_bytes_that_are_no_document_are_refused(raw: bytes, reason: str, said: str) -> None:
    with pytest.raises(NotAFact) as refused:
        decoded(raw)
    assert refused.value.reason == reason
    assert said in refused.value.detail
