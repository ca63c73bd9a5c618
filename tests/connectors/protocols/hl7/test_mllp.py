"""Frames: whole ones in order, however the bytes come; noise and abandoned ones are counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocols.hl7.mllp import Frames, FrameTooLong, framed

texts = st.lists(st.binary(max_size=20).filter(lambda text: not set(text) & {0x0B, 0x1C}), max_size=5)


@given(texts, st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_frames_come_whole_and_in_order_however_they_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    frames, raw, found = Frames(), b"".join(map(framed, sent)), []
    at = 0
    while at < len(raw):
        size = cuts[at % len(cuts)]
        found += list(frames.feed(raw[at : at + size]))
        at += size
    assert found == sent
    assert not frames.half
    assert (frames.noise, frames.abandoned) == (0, 0)


def test_what_stands_before_a_frame_is_noise() -> None:
    frames = Frames()
    assert list(frames.feed(b"\n\nhello" + framed(b"MSH") + b"\n" + framed(b"PID") + b"x")) == [b"MSH", b"PID"]
    assert (frames.noise, frames.half) == (9, False)


def test_a_frame_may_end_without_its_return_where_the_profile_says_so() -> None:
    frames = Frames(bare=True)
    assert list(frames.feed(b"\x0bMSH\x1c\x0bPID\x1c\r\n\x0bOBX\x1cnoise\x0b")) == [b"MSH", b"PID", b"OBX"]
    assert (frames.noise, frames.half) == (5, True)


def test_a_new_beginning_abandons_what_did_not_end() -> None:
    frames = Frames()
    assert list(frames.feed(b"\x0bMSH|half" + framed(b"MSH|whole"))) == [b"MSH|whole"]
    assert frames.abandoned == 1
    assert list(frames.feed(b"\x0bMSH")) == []
    assert frames.half


def test_an_end_without_its_return_is_no_end_yet() -> None:
    frames = Frames()
    assert list(frames.feed(b"\x0bMSH\x1c")) == []
    assert list(frames.feed(b"\r")) == [b"MSH"]


def test_a_frame_without_an_end_does_not_take_all_memory() -> None:
    frames = Frames(longest=10)
    assert list(frames.feed(framed(b"0123456789"))) == [b"0123456789"]
    with pytest.raises(FrameTooLong, match="10 bytes"):
        list(frames.feed(b"\x0b" + b"x" * 11))
    with pytest.raises(FrameTooLong):
        list(Frames(longest=10).feed(framed(b"x" * 20)))


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_whatever_the_bytes_no_frame_has_a_beginning_in_it(chunks: list[bytes]) -> None:
    frames = Frames(longest=1000)
    found = [frame for chunk in chunks for frame in frames.feed(chunk)]
    assert all(b"\x0b" not in frame for frame in found)
    assert sum(map(len, found)) + frames.noise <= sum(map(len, chunks))
