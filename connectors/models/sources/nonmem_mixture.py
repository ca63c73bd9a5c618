"""$MIX of a control stream: the shares of its subpopulations, of which MIXNUM is a class that nobody sees."""

from __future__ import annotations

import re

from connectors.models.code import Statement
from connectors.models.following import Follower
from connectors.models.formulas import name, words
from connectors.models.source import Classes, Source
from twin.model.formula import evaluate

CLASS = "MIXNUM"


def classify(source: Source, follower: Follower, statements: list[Statement], items: list[str], line: int) -> None:
    """Let MIXNUM, and MIXEST which estimates it, be a characteristic of patients with the shares that $MIX gives.

    Args:
        statements: of $MIX, which begins at ``line``.
        items: data items; MIXNUM becomes one.

    Raises:
        SourceError: there are not two shares, or they are no shares.
    """
    inner = Source("", source.file, "")
    shares = Follower(inner, {each: name(each) for each in source.thetas})
    shares.follow(statements)
    env = {**dict.fromkeys(items, 0.0), **{each.name: each.value for each in source.thetas.values()}}
    read: set[str] = set()
    given = {word: formula for word, formula in shares.meaning.items() if re.fullmatch(r"P_\d+", word)}
    plain = {word: formula for word, formula in given.items() if word not in inner.definitions}
    for word, formula in {**inner.definitions, **plain}.items():
        for unknown in sorted(words(formula) - env.keys()):
            raise source.wrong(line, f"reads {unknown} in $MIX, which has no value there; write a THETA or a number")
        read |= words(formula) & {*items, *source.thetas}
        env[word] = float(evaluate(formula, env))
    found = {int(word.removeprefix("P_")): env[word] for word in given}
    if sorted(found) != list(range(1, len(found) + 1)) or len(found) < 2:
        raise source.wrong(line, "has a $MIX without P(1) and P(2); write the share of each subpopulation")
    if min(found.values()) <= 0.0 or abs(sum(found.values()) - 1.0) > 1e-6:
        raise source.wrong(line, "has shares in $MIX that are not of everybody; each is more than 0, and they sum to 1")
    for word in (CLASS, "MIXEST"):
        follower.meaning[word] = name(CLASS)
    if CLASS not in items:
        items.append(CLASS)
    known = all(source.thetas[each].fixed for each in read & set(source.thetas))
    source.classes = Classes(CLASS, tuple(found[at] for at in sorted(found)), line, known)
    source.references[CLASS] = float(max(found, key=lambda at: found[at]))
    if beside := sorted(read - set(source.thetas)):
        source.lose(line, f"shares of subpopulations are taken where {', '.join(beside)} is 0, for all patients")
