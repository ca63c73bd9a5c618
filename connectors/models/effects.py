"""Thetas and etas of a source as parameters of a model file.

``CL = THETA(1)*(WT/70)**0.75*EXP(ETA(1))`` is one parameter CL, log-normal, with its effects; ``THETA + ETA`` is a
normal one. An eta that is used otherwise, in two places or within a transformation, is a parameter of its own, normal
around 0, and stays in the formulas as it stood: nothing is changed by that but the looks.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from dataclasses import replace

from connectors.models.drawn import Drawn, Parameter, chain, put, roots
from connectors.models.formulas import (
    call,
    factors,
    mapped,
    name,
    product,
    replaced,
    same,
    summands,
    total,
    value,
    words,
)
from connectors.models.source import Level, Source, Theta
from twin.model.formula import is_record

LONGEST_EXPRESSION = 400

Effects = dict[Level, str]
"""Names of the etas of one parameter."""


def draw(source: Source, names: dict[str, str]) -> Drawn:
    """Parameters of a source; ``names`` are better names of thetas where the source has one.

    Raises:
        SourceError: a formula reads a name that nothing defines.
    """
    work = _Work(source, names)
    return work.done()


class _Work:
    def __init__(self, source: Source, names: dict[str, str]) -> None:
        self.source, self.names = source, names
        self.definitions = dict(source.definitions)
        self.roots = roots(source)
        self.made: dict[str, Parameter] = {}
        self.of_eta: dict[str, tuple[str, str, float]] = {}
        """Parameter, level and scale of each eta that has become one's."""

    def done(self) -> Drawn:
        self._prune()
        for word in list(self.definitions):
            self._one(word)
        self._prune()
        for word in list(self.definitions):
            self._fixed(word)
        self._prune()
        chain(self.definitions, self._uses())
        self._rest()
        source = self.source
        covariances = []
        for (one, other), covariance in source.covariances.items():
            if one in self.of_eta and other in self.of_eta:
                (a, level, scale), (b, other_level, factor) = self.of_eta[one], self.of_eta[other]
                if level == other_level:
                    covariances.append((a, b, level, covariance * scale * factor))
        used = {word for formula in [*self.definitions.values(), *self.roots] for word in words(formula)}
        used |= {w for p in self.made.values() if p.expression is not None for w in words(p.expression)}
        used |= {each for each in (source.occasion, self._site()) if each is not None}
        covariates = tuple(item for item in source.covariates if item in used)
        return Drawn(
            source, list(self.made.values()), covariances, self.definitions, source.states, source.observed, covariates
        )

    def _site(self) -> str | None:
        return self.source.site if any(made.isv is not None for made in self.made.values()) else None

    def _prune(self) -> None:
        """Leave out what nothing reads, and complain of what nothing defines."""
        needed: set[str] = set()
        known = {*self.source.thetas, *self.source.etas, *self.source.covariates, *self.made, "t", "clock"}
        known |= {state.name for state in self.source.states}
        ahead = [(word, "") for formula in self.roots for word in words(formula)]
        while ahead:
            word, reader = ahead.pop()
            if word in needed:
                continue
            needed.add(word)
            if word in self.definitions and word not in self.made:
                ahead += [(each, word) for each in words(self.definitions[word])]
            elif word not in known:
                line = self.source.lines.get(word, self.source.lines.get(reader, 0)) or None
                where = f" (read by {reader})" if reader else ""
                raise self.source.wrong(
                    line, f"{word}{where} is not defined before it is read; define it, or declare it as data"
                )
        for made in self.made.values():
            if made.expression is not None:
                needed |= words(made.expression)
        self.needed = needed
        self.definitions = {
            word: each for word, each in self.definitions.items() if word in needed and word not in self.made
        }

    def _uses(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for formula in [*self.definitions.values(), *self.roots]:
            found.update(node.id for node in ast.walk(formula) if isinstance(node, ast.Name))
        for made in self.made.values():
            if made.expression is not None:
                found.update(node.id for node in ast.walk(made.expression) if isinstance(node, ast.Name))
        return found

    # --- one definition ----------------------------------------------------------------------------------------------

    def _one(self, word: str) -> None:
        formula = self.definitions.get(word)
        if formula is None:
            return
        formula = self._opened(formula)
        etas = words(formula) & set(self.source.etas)
        if not etas:
            return
        uses = self._uses()
        if any(uses[eta] != self._own(eta, word) for eta in etas):
            return
        line = self.source.lines.get(word, 0)
        found = self._log_normal(word, formula, etas, line) or self._normal(word, formula, etas, line)
        if found is not None:
            self.made[word] = found

    def _fixed(self, word: str) -> None:
        """A theta with covariate effects and no random one: a parameter too."""
        formula = self.definitions[word]
        if words(formula) & set(self.source.etas):
            return
        uses = self._uses()
        above, below = factors(formula, self.source.covariates)
        for at, each in enumerate(above):
            theta = self._theta_of(each, uses)
            if theta is not None:
                inlined = self._plain(product([name(word), *above[:at], *above[at + 1 :]], below), word)
                if inlined is not None:
                    line = self.source.lines.get(word, 0)
                    self.made[word] = self._named(word, {}, theta, inlined, line, "log-normal", 1.0)
                return

    def _own(self, eta: str, word: str) -> int:
        """How often an eta is read by a definition and those that only it reads."""
        total, ahead, seen = 0, [word], set()
        uses = self._uses()
        while ahead:
            each = ahead.pop()
            if each in seen:
                continue
            seen.add(each)
            formula = self.definitions[each]
            names_of = [node.id for node in ast.walk(formula) if isinstance(node, ast.Name)]
            total += names_of.count(eta)
            ahead += [n for n in set(names_of) if n in self.definitions and uses[n] == names_of.count(n)]
        return total

    def _opened(self, formula: ast.expr) -> ast.expr:
        """A formula with the names that only it reads written out, as far as they read an eta or a lone theta."""
        for _ in range(20):
            uses = self._uses()
            counts = Counter(node.id for node in ast.walk(formula) if isinstance(node, ast.Name))
            lone = {
                word: self.definitions[word]
                for word in counts
                if word in self.definitions
                and word not in self.made
                and uses[word] == counts[word]
                and (self._reads_eta(word) or self._theta_in(self.definitions[word], uses))
            }
            if not lone:
                break
            formula = replaced(formula, lone)
        return mapped(formula, self._split)

    def _split(self, each: ast.expr) -> ast.expr:
        """exp of a sum as a product of exps: of each theta, of all etas together, and of the rest."""
        match each:
            case ast.Call(func=ast.Name(id="exp"), args=[inner]) if len(parts := summands(inner)) > 1:
                etas = [part for part in parts if words(part) & set(self.source.etas)]
                thetas: list[ast.expr] = [
                    part for part in parts if isinstance(part, ast.Name) and part.id in self.source.thetas
                ]
                rest = [part for part in parts if part not in etas and part not in thetas]
                groups: list[list[ast.expr]] = [[part] for part in thetas]
                groups += [group for group in (rest, etas) if group]
                return product([call("exp", total(group)) for group in groups], [])
        return each

    def _theta_of(self, each: ast.expr, uses: Counter[str]) -> Theta | None:
        """The theta that a factor is, or of whose exp it is one, where nothing else reads it and it is above 0."""
        match each:
            case ast.Name(id=word) if word in self.source.thetas and uses[word] == 1:
                found = self.source.thetas[word]
                return found if found.value > 0 else None
            case ast.Call(func=ast.Name(id="exp"), args=[ast.Name(id=word)]) if word in self.source.thetas:
                found = self.source.thetas[word]
                low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
                comment = f"{found.comment}; the source has its logarithm, {found.value:g}".strip("; ")
                raised = replace(found, value=math.exp(found.value), low=low, high=high, comment=comment)
                return raised if uses[word] == 1 else None
        return None

    def _reads_eta(self, word: str, known: dict[str, bool] | None = None) -> bool:
        known = {} if known is None else known
        if word not in known:
            known[word] = False
            inner = words(self.definitions[word])
            known[word] = bool(inner & set(self.source.etas)) or any(
                self._reads_eta(each, known) for each in inner if each in self.definitions
            )
        return known[word]

    def _theta_in(self, formula: ast.expr, uses: Counter[str]) -> bool:
        """Whether a product has a theta that nothing else reads, itself or in a definition that only it reads."""
        above, _ = factors(formula, self.source.covariates)
        lone = [each.id for each in above if isinstance(each, ast.Name) and uses[each.id] == 1]
        within = [word for word in lone if word in self.definitions and word not in self.made]
        return bool(set(lone) & set(self.source.thetas)) or any(
            self._theta_in(self.definitions[word], uses) for word in within
        )

    def _effects_of(self, formula: ast.expr) -> Effects | None:
        """The etas that a sum is made of, and of nothing else: one of a level at the most, and none of a site that
        stands above no patient's."""
        found: Effects = {}
        for each in summands(formula):
            word = self._effect(each)
            if word is None or found.setdefault(self.source.etas[word].level, word) != word:
                return None
        return None if "isv" in found and "iiv" not in found else found

    def _effect(self, formula: ast.expr) -> str | None:
        match formula:
            case ast.Name(id=word) if word in self.source.etas:
                return word
            case ast.Call(func=ast.Name(id="where"), args=[_, yes, no]):
                found = {self._effect(each) for each in (yes, no) if value(each) != 0}
                one = next(iter(found)) if len(found) == 1 else None
                return one if one and self.source.etas[one].level == "iov" else None
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                for part, beside in ((left, right), (right, left)):
                    found_in = self._effect(part)
                    if found_in and self.source.etas[found_in].level == "iov" and self._indicator(beside):
                        return found_in
        return None

    def _indicator(self, formula: ast.expr) -> bool:
        inner = self.definitions.get(formula.id, formula) if isinstance(formula, ast.Name) else formula
        match inner:
            case ast.Call(func=ast.Name(id="where"), args=[_, yes, no]):
                return {value(yes), value(no)} == {0.0, 1.0}
        return isinstance(inner, ast.Name) and inner.id in self.source.covariates

    def _log_normal(self, word: str, formula: ast.expr, etas: frozenset[str], line: int) -> Parameter | None:
        above, below = factors(formula, self.source.covariates)
        for at, each in enumerate(above):
            match each:
                case ast.Call(func=ast.Name(id="exp"), args=[inner]):
                    effects = self._effects_of(inner)
                    others = [*above[:at], *above[at + 1 :]]
                    if effects is None or set(effects.values()) != etas:
                        continue
                    if any(words(other) & set(etas) for other in (*others, *below)):
                        continue
                    return self._made(word, effects, others, below, line, "log-normal")
        return None

    def _normal(self, word: str, formula: ast.expr, etas: frozenset[str], line: int) -> Parameter | None:
        uses = self._uses()
        parts = summands(formula)
        thetas = [each for each in parts if isinstance(each, ast.Name) and each.id in self.source.thetas]
        effects = [each for each in parts if each not in thetas]
        if len(thetas) == 1 and effects and uses[thetas[0].id] == 1:
            found = self._effects_of(total(effects))
            if found is not None and set(found.values()) == etas:
                return self._named(word, found, self.source.thetas[thetas[0].id], None, line, "normal", 1.0)
        above, below = factors(formula, self.source.covariates)
        for at, each in enumerate(above):
            parts = summands(each)
            if len(parts) > 1 and value(parts[0]) == 1:
                found = self._effects_of(total(parts[1:]))
                others = [*above[:at], *above[at + 1 :]]
                lone = (
                    len(others) == 1
                    and not below
                    and isinstance(others[0], ast.Name)
                    and others[0].id in self.source.thetas
                )
                if found is not None and set(found.values()) == etas and lone:
                    assert isinstance(others[0], ast.Name)
                    theta = self.source.thetas[others[0].id]
                    if uses[theta.name] == 1 and theta.value != 0:
                        return self._named(word, found, theta, None, line, "normal", theta.value)
        return None

    def _made(
        self,
        word: str,
        effects: Effects,
        others: list[ast.expr],
        below: list[ast.expr],
        line: int,
        distribution: str,
    ) -> Parameter | None:
        """A log-normal parameter: of the lone theta among the other factors, or of 1 where there is none."""
        if not others and not below:
            return self._named(word, effects, None, None, line, distribution, 1.0)
        uses = self._uses()
        for at, each in enumerate(others):
            theta = self._theta_of(each, uses)
            if theta is not None:
                inlined = self._plain(product([name(word), *others[:at], *others[at + 1 :]], below), word)
                if inlined is not None:
                    expression = None if same(inlined, name(word)) else inlined
                    return self._named(word, effects, theta, expression, line, distribution, 1.0)
                self._beside(word, effects, theta, others[:at] + others[at + 1 :], below, line)
                return None
        for at, each in enumerate(others):
            typical = value(each)
            inlined = self._plain(product([name(word), *others[:at], *others[at + 1 :]], below), word)
            if typical is not None and typical > 0 and inlined is not None:
                expression = None if same(inlined, name(word)) else inlined
                return self._named(word, effects, None, expression, line, distribution, 1.0, typical)
        self._beside(word, effects, None, others, below, line)
        return None

    def _beside(
        self,
        word: str,
        effects: Effects,
        theta: Theta | None,
        others: list[ast.expr],
        below: list[ast.expr],
        line: int,
    ) -> None:
        """A parameter of its own for what varies, and the definition in its terms."""
        own = f"{word}_i"
        while own in self.definitions or own in self.made:
            own += "i"
        self.made[own] = self._named(own, effects, theta, None, line, "log-normal", 1.0)
        self.definitions[word] = product([*others, name(own)], below)

    def _plain(self, formula: ast.expr, own: str) -> ast.expr | None:
        """A formula over thetas, covariates and the parameter's own name alone, if it can be said so and shortly."""
        for _ in range(30):
            inner = {
                each: self.definitions[each]
                for each in words(formula)
                if each in self.definitions and each not in self.made and each != own
            }
            if not inner:
                break
            formula = replaced(formula, inner)
        allowed = {*self.source.thetas, *self.source.covariates, own}
        if not words(formula) <= allowed or any(is_record(node) for node in ast.walk(formula)):
            return None
        return formula if len(ast.unparse(formula)) <= LONGEST_EXPRESSION else None

    def _named(
        self,
        word: str,
        effects: Effects,
        theta: Theta | None,
        expression: ast.expr | None,
        line: int,
        distribution: str,
        scale: float,
        number: float = 1.0,
    ) -> Parameter:
        variances = {level: self.source.etas[eta].variance * scale**2 for level, eta in effects.items()}
        for level, eta in effects.items():
            self.of_eta[eta] = word, level, abs(scale)
        typical = number if theta is None else theta.value
        comment = theta.comment if theta else ""
        three = (variances.get("iiv"), variances.get("iov"), variances.get("isv"))
        known = tuple(
            "omega" if level == "iiv" else level for level, eta in effects.items() if self.source.etas[eta].fixed
        )
        return Parameter(word, typical, line, *three, distribution, expression, comment, theta, known)

    # --- what is left ------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        taken = {node for made in self.made.values() if made.theta is not None for node in [made.theta.name]}
        read = {word for formula in [*self.definitions.values(), *self.roots] for word in words(formula)}
        read |= {w for made in self.made.values() if made.expression is not None for w in words(made.expression)}
        renamed: dict[str, ast.expr] = {}
        plain: dict[str, Parameter] = {}
        for theta in self.source.thetas.values():
            if theta.name in read and theta.name not in taken:
                word = self._free(self.names.get(theta.name, theta.name), plain)
                renamed[theta.name] = name(word)
                plain[word] = Parameter(word, theta.value, theta.line, comment=theta.comment, theta=theta)
        for eta in self.source.etas.values():
            if eta.name in read and eta.name not in self.of_eta:
                word = self._free(eta.name, plain)
                renamed[eta.name] = name(word)
                iiv, iov = (None, eta.variance) if eta.level == "iov" else (eta.variance, None)
                known = (("iov" if eta.level == "iov" else "omega"),) if eta.fixed else ()
                plain[word] = Parameter(word, 0.0, eta.line, iiv, iov, distribution="normal", fixed=known)
                self.of_eta[eta.name] = word, "iov" if eta.level == "iov" else "iiv", 1.0
                if eta.level == "isv":
                    self.source.lose(
                        eta.line,
                        f"{eta.name}, an effect of sites ($LEVEL), is taken for one of each patient: it is not added to"
                        " one of a patient within a parameter",
                    )
        self.made = {**self.made, **plain}
        self._put(renamed)

    def _free(self, word: str, plain: dict[str, Parameter]) -> str:
        states = {state.name for state in self.source.states}
        while (
            word in self.definitions
            or word in self.made
            or word in plain
            or word in states
            or word in self.source.covariates
        ):
            word = f"{word}_p"
        return word

    def _put(self, renamed: dict[str, ast.expr]) -> None:
        self.definitions = {word: replaced(each, renamed) for word, each in self.definitions.items()}
        for made in self.made.values():
            if made.expression is not None:
                made.expression = replaced(made.expression, renamed)
        put(self.source, renamed)
        self.roots = roots(self.source)
