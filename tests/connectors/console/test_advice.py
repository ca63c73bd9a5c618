"""Advice on the board: the newest word of each counts, and what the page is told of it is what the event says."""

from __future__ import annotations

import msgspec

from connectors.console.advice import AdviceCard, advice_card
from connectors.console.board import ADVICE_KEPT, Board
from tests import factories as make


def shown(board: Board, since: int = 0) -> list[AdviceCard] | None:
    found = board.patient("P-1", since).advice
    return None if found is None else [msgspec.json.decode(one, type=AdviceCard) for one in found]


def test_every_way_keeps_its_odds_with_their_errors_and_limits() -> None:
    card = advice_card(make.advice())
    assert [way.name for way in card.ways] == ["planned", "-20 %", "-10 %", "+10 %", "+20 %", "advised"]
    planned = card.ways[0]
    assert (planned.harms[0].p, planned.harms[0].se, planned.harms[0].limit) == (0.45, 0.015, 0.25)
    assert (planned.within[0].p, planned.within[0].median) == (0.55, 4.4)
    assert [way.allowed for way in card.ways] == [True, True, True, False, False, True]
    assert [(one.words, one.problem is None) for one in card.branches] == [
        ("as planned", True),
        ("delay docetaxel 7 d", True),
        ("stop docetaxel", False),
    ]


def test_what_late_data_changed_takes_the_place_of_what_was_said() -> None:
    board = Board()
    assert board.fold(make.advice())
    version = board.version
    assert not board.fold(make.advice()), "the same word again changes nothing"
    assert shown(board, version) is None
    assert board.fold(make.advice(outcome="withdrawn", alternatives=(), reason="Withdrawn."))
    (card,) = shown(board, version) or []
    assert (card.outcome, card.ways) == ("withdrawn", ())


def test_the_newest_advice_comes_first_and_old_advice_is_forgotten_whatever_the_order() -> None:
    words = [make.advice(time=make.at(hour)) for hour in range(ADVICE_KEPT + 3)]
    boards = Board(), Board()
    for board, order in zip(boards, (words, words[::-1]), strict=True):
        for word in order:
            board.fold(word)
    first, second = (shown(board) or [] for board in boards)
    assert first == second
    assert len(first) == ADVICE_KEPT
    assert [card.t for card in first] == sorted((card.t for card in first), reverse=True)
