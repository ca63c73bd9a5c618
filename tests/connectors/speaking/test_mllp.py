"""A sender of MLLP waits for the answer to its own message, and sends again what is not safe yet."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from connectors.protocols.hl7.mllp import Frames, framed
from connectors.speaking.counts import Counts
from connectors.speaking.mllp import MllpSender

MESSAGE = rb"MSH|^~\&|WARD|||||" + b"|ORU^R01|M1|P|2.6\r"


@contextmanager
def listener(answers: Sequence[bytes | None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers each frame with the next of these; None closes the connection instead."""
    heard: list[bytes] = []
    waiting = iter(answers)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while len(heard) < len(answers):
                connection, _ = server.accept()
                frames = Frames()
                with connection:
                    while received := connection.recv(65_536):
                        for frame in frames.feed(received):
                            heard.append(frame)
                            if (answer := next(waiting)) is None:
                                break
                            connection.sendall(answer)
                        else:
                            continue
                        break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", heard


def acknowledged(code: str, number: str = "M1") -> bytes:
    return framed(f"MSH|^~\\&|X\rMSA|{code}|{number}\r".encode())


def sent(answers: Sequence[bytes | None]) -> tuple[bool, Counts, list[bytes], list[str]]:
    told: list[str] = []
    counts = Counts(told.append)
    with listener(answers) as (address, heard):
        sender = MllpSender(address, lambda: False, counts, lambda _: None)
        accepted = sender.send("ORU^R01", MESSAGE)
        sender.close()
    return accepted, counts, heard, told


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_an_accepted_message_is_said_once(code: str) -> None:
    accepted, counts, heard, told = sent([acknowledged(code)])
    assert (accepted, counts.by_kind, heard, told) == (True, {"ORU^R01": 1}, [MESSAGE], [])


def test_what_is_not_safe_yet_is_sent_again_and_so_is_what_got_no_answer() -> None:
    accepted, counts, heard, _ = sent([acknowledged("CE"), None, acknowledged("CA")])
    assert (accepted, counts.sent_again, heard) == (True, 2, [MESSAGE] * 3)


def test_a_late_answer_to_another_message_is_passed_over() -> None:
    accepted, *_ = sent([acknowledged("CR", "M0") + acknowledged("CA")])
    assert accepted


def test_what_is_refused_for_good_is_told_and_left() -> None:
    accepted, counts, heard, told = sent([acknowledged("CR")])
    assert (accepted, counts.refusals, len(heard)) == (False, 1, 1)
    assert told == ["ORU^R01: answered with CR"]


def test_a_stop_ends_the_waiting_and_an_address_is_one() -> None:
    stops = iter([False, True])
    counts = Counts(lambda _: None)
    assert not MllpSender("127.0.0.1:1", lambda: next(stops), counts, lambda _: None).send("ORU^R01", MESSAGE)
    with pytest.raises(ValueError, match="host:port"):
        MllpSender("localhost", lambda: False, counts)
