"""What is observed: Y as a prediction with a scatter, taken apart by what the data say of a record (CMT, DVID, FLAG).

Y is a formula of the epsilons. Without them it is the prediction; its slopes along them, tried out on numbers, give the
standard deviation at each prediction, and how that goes with the prediction is the law: additive, proportional, both, a
power, alone or beside an additive part, or one of those on the logarithm. What M3 gives to values below the limit is
left out: here every value may be reported as below one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize

from connectors.models.formulas import ZERO, replaced, value, words
from connectors.models.normal import PREFIX
from connectors.models.observing.forms import Answers, form, forms
from connectors.models.observing.likelihood import Likelihood, recognised
from connectors.models.observing.values import Sampling
from connectors.models.source import Observed, Scatter, Source
from twin.arrays import Floats

MOST_OUTPUTS = 16
_STEP = 1e-4
_FITS = 1e-6
_EXPONENTS = (0.05, 3.0)
"""Between which the exponent of a power with an additive part beside it is looked for."""

_MOVED = 1.3
"""Factor of what is estimated of a scatter, to see which of its sizes hang on it."""


def observe(source: Source, y: ast.expr, items: Collection[str], line: int, likelihood: Likelihood) -> None:
    """Add to a source what its Y observes; ``items`` are the data items that may tell one observation from another.

    Raises:
        SourceError: it observes nothing that can be said.
    """
    of_patient = _reachable(source, [state.derivative for state in source.states] + _entries(source))
    hidden = set() if source.classes is None else {source.classes.covariate}
    selectors = {item for item in items if item not in of_patient | hidden}
    sampling = Sampling(source)
    if not set(source.sigmas) & _reachable(source, [y]):
        source.observed += recognised(source, y, selectors, likelihood, sampling, line)
    else:
        _scattered(source, y, selectors, line, likelihood, sampling)
    if not source.observed:
        raise source.wrong(
            line,
            "Y has no EPS, and is no probability of grades and no survival of an event; such a likelihood is not read",
        )


def _scattered(
    source: Source, y: ast.expr, selectors: set[str], line: int, likelihood: Likelihood, sampling: Sampling
) -> None:
    """What Y observes with an EPS, and what it gives probabilities of beside that."""
    sigmas = set(source.sigmas)
    leaves = forms(source, y, selectors, likelihood.observed)
    shown = [(found, leaf) for found, leaf in leaves if sigmas & _reachable(source, [leaf])]
    if len(shown) > MOST_OUTPUTS:
        raise source.wrong(line, f"Y has {len(shown)} forms, over {MOST_OUTPUTS}; split the stream")
    named: dict[str, int] = {}
    written: list[tuple[str, ast.expr]] = []
    for found, leaf in shown:
        label = found.label(likelihood.observed)
        named[label] = named.get(label, 0) + 1
        label = label if named[label] == 1 else f"{label}_{named[label]}"
        written.append((label, form(source, leaf, Answers(), sigmas)))
        source.observed.append(_continuous(source, *written[-1], sampling, line))
    if source.together:
        _correlate(source, written, sampling, line)
    silent = [leaf for _, leaf in leaves if not sigmas & _reachable(source, [leaf]) and value(leaf) is None]
    if not silent:
        return
    also = recognised(source, y, selectors, likelihood, sampling, line)
    source.observed += also
    if any(_of_limit(source, leaf) for leaf in silent):
        source.lose(line, "Y below the limit (M3) is left out: report such values as below it")
    elif not also:
        source.lose(line, "Y without EPS, at some records, is a likelihood that is not read; it is left out")


def _of_limit(source: Source, leaf: ast.expr) -> bool:
    """Whether a Y is the probability of a value below a limit: it reads the normal distribution function."""
    return any(word.startswith(PREFIX) for word in _reachable(source, [leaf]))


def _entries(source: Source) -> list[ast.expr]:
    return [
        each for entry in source.entries for each in (entry.fraction, entry.lag, entry.duration) if each is not None
    ] + [state.initial for state in source.states if state.initial is not None]


def _reachable(source: Source, formulas: list[ast.expr]) -> set[str]:
    found: set[str] = set()
    ahead = [word for formula in formulas for word in words(formula)]
    while ahead:
        word = ahead.pop()
        if word not in found:
            found.add(word)
            if word in source.definitions:
                ahead += words(source.definitions[word])
    return found


# --- a prediction and its scatter ------------------------------------------------------------------------------------


def _continuous(source: Source, label: str, leaf: ast.expr, sampling: Sampling, line: int) -> Observed:
    prediction = replaced(leaf, dict.fromkeys(source.sigmas, ZERO))
    logged = _logarithm(source, prediction, source.lines.get("Y", line))
    if logged is None and _exponential(source, leaf, sampling):
        source.lose(
            line, "F*EXP(EPS) is carried as an error on the logarithm; NONMEM's FO and FOCE take it as proportional"
        )
        leaf, logged = ast.Call(ast.Name("log", ast.Load()), [leaf], []), prediction
    shown = prediction if logged is None else logged
    points = _points(source, leaf, shown, sampling, sampling.draws)
    scatter = _law(points, logged=logged is not None)
    if scatter is None:
        scatter = _nearest(points, logged=logged is not None)
        source.lose(line, f"the scatter of {label} goes with no law of the prediction alone; {scatter.assumed}")
    if any(word in source.etas for word in _reachable(source, [leaf]) - _reachable(source, [prediction])):
        source.lose(line, f"the scatter of {label} differs between patients (an ETA); the typical patient's is carried")
    scatter = replace(scatter, fixed=_known(source, leaf, prediction, shown, scatter, sampling))
    return Observed(label, shown, scatter, line)


def _points(
    source: Source, leaf: ast.expr, shown: ast.expr, sampling: Sampling, draws: Sequence[dict[str, float]]
) -> list[tuple[float, float]]:
    """Predictions above 0 with the standard deviations there."""
    pairs = [(sampling.value(shown, env), _spread(source, leaf, sampling, env)) for env in draws]
    found = [(at, spread) for at, spread in pairs if at is not None and spread is not None]
    above = [(at, spread) for at, spread in found if at > 0]
    # A prediction that is negative somewhere has an additive error or none; on the logarithm it has no value there.
    return above if len(above) >= 4 else [(abs(at), spread) for at, spread in found]


def _known(
    source: Source, leaf: ast.expr, prediction: ast.expr, shown: ast.expr, scatter: Scatter, sampling: Sampling
) -> tuple[str, ...]:
    """Keys of the numbers that stay as they are where all that is estimated of the scatter is greater."""
    read = _reachable(source, [leaf])
    free = read & set(source.sigmas) - source.fixed_sigmas
    of_width = (read - _reachable(source, [prediction])) & set(source.thetas)
    moved = {word: _MOVED * source.thetas[word].value for word in of_width if not source.thetas[word].fixed}
    numbers = scatter.numbers
    if not free and not moved:
        return tuple(numbers)
    grown = {word: _MOVED if word in free else 1.0 for word in source.sigmas}
    other = replace(
        source,
        sigmas={word: size * grown[word] ** 2 for word, size in source.sigmas.items()},
        sigma_covariances={(i, j): c * grown[i] * grown[j] for (i, j), c in source.sigma_covariances.items()},
    )
    points = _points(other, leaf, shown, sampling, [{**env, **moved} for env in sampling.draws])
    law = _law(points, logged=shown is not prediction)
    others = {} if law is None else law.numbers
    return tuple(key for key, number in numbers.items() if _same(others.get(key), number))


def _same(one: float | str | None, other: float | str) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-5)
    return one == other


def _logarithm(source: Source, prediction: ast.expr, line: int) -> ast.expr | None:
    """What a prediction is the logarithm of, if it is one."""
    match prediction:
        case ast.Name(id=word) if word in source.definitions:
            return _logarithm(source, source.definitions[word], line)
        case ast.Call(func=ast.Name(id="log"), args=[inner]):
            return inner
        case ast.Call(func=ast.Name(id="where"), args=[_, yes, no]):
            for one, other in ((yes, no), (no, yes)):
                found = _logarithm(source, one, line)
                beside = _logarithm(source, other, line)
                if found is not None and value(found) is None and (beside is None or value(beside) is not None):
                    source.lose(
                        line,
                        "where the logarithm of a prediction of 0 is avoided, it is carried all the same",
                    )
                    return found
    return None


def _exponential(source: Source, leaf: ast.expr, sampling: Sampling) -> bool:
    """Whether Y scatters on the logarithm: its own logarithm goes straight along each EPS, and itself does not."""
    log = ast.Call(ast.Name("log", ast.Load()), [leaf], [])
    straight = [_straight(source, log, sampling, env) for env in sampling.draws]
    own = [_straight(source, leaf, sampling, env) for env in sampling.draws]
    return True in straight and False not in straight and False in own


def _straight(source: Source, formula: ast.expr, sampling: Sampling, env: dict[str, float]) -> bool | None:
    none = dict.fromkeys(source.sigmas, 0.0)
    for word in source.sigmas:
        at = [sampling.value(formula, env, {**none, word: step}) for step in (-0.2, 0.0, 0.2)]
        if at[0] is None or at[1] is None or at[2] is None:
            return None
        if not math.isclose(at[2] - at[1], at[1] - at[0], rel_tol=1e-6, abs_tol=1e-12 * max(1.0, abs(at[1]))):
            return False
    return True


def _correlate(source: Source, shown: list[tuple[str, ast.expr]], sampling: Sampling, line: int) -> None:
    """Add what residuals of outputs that are measured together have in common."""
    slopes = [[_slopes(source, leaf, sampling, env) for env in sampling.draws] for _, leaf in shown]
    words_of = list(source.sigmas)
    sigma = np.diag(list(source.sigmas.values()))
    for (one, other), covariance in source.sigma_covariances.items():
        i, j = words_of.index(one), words_of.index(other)
        sigma[i, j] = sigma[j, i] = covariance
    for b, (other_name, _) in enumerate(shown):
        for a, (one_name, _) in enumerate(shown[:b]):
            both = [(x, y) for x, y in zip(slopes[a], slopes[b], strict=True) if x is not None and y is not None]
            sizes = [(x @ sigma @ y, (x @ sigma @ x) * (y @ sigma @ y)) for x, y in both]
            found = [float(c / math.sqrt(v)) for c, v in sizes if v > 0]
            if not found or np.allclose(found, 0.0):
                continue
            if _all_equal(np.array(found)) and abs(found[0]) < 1:
                source.residuals.append((one_name, other_name, _round(found[0])))
            else:
                why = "is 1" if _all_equal(np.array(found)) else "goes with the prediction"
                source.lose(line, f"the correlation of the residuals of {one_name} and {other_name} {why}; left out")


def _slopes(source: Source, leaf: ast.expr, sampling: Sampling, env: dict[str, float]) -> Floats | None:
    """Of Y along each EPS, at a draw."""
    none, found = dict.fromkeys(source.sigmas, 0.0), []
    for word in source.sigmas:
        above = sampling.value(leaf, env, {**none, word: _STEP})
        below = sampling.value(leaf, env, {**none, word: -_STEP})
        if above is None or below is None:
            return None
        found.append((above - below) / (2 * _STEP))
    return np.array(found)


def _spread(source: Source, leaf: ast.expr, sampling: Sampling, env: dict[str, float]) -> float | None:
    """Standard deviation of Y at a draw."""
    found = _slopes(source, leaf, sampling, env)
    if found is None:
        return None
    slopes = dict(zip(source.sigmas, found.tolist(), strict=True))
    total = sum(slopes[word] ** 2 * variance for word, variance in source.sigmas.items())
    total += 2 * sum(slopes[i] * slopes[j] * c for (i, j), c in source.sigma_covariances.items())
    return math.sqrt(max(total, 0.0))


def _law(points: list[tuple[float, float]], *, logged: bool) -> Scatter | None:
    """Sizes of the error whose standard deviation goes with the prediction as these points do."""
    if len(points) < 4:
        return None
    shown, spread = (np.array(each) for each in zip(*points, strict=True))
    if not spread.any():
        return Scatter(
            (("additive", 1e-6),), "the source has no scatter (a variance of 0); a tiny one, so that it can be observed"
        )
    if _all_equal(spread):
        return Scatter((("log_additive" if logged else "additive", _round(spread[0])),))
    if logged:
        return _two(1.0 / shown**2, spread**2, ("log_additive", "additive"))
    if _all_equal(spread / shown):
        return Scatter((("proportional", _round(spread[0] / shown[0])),))
    found = _two(shown**2, spread**2, ("additive", "proportional"))
    if found is None:
        line = np.polynomial.polynomial.polyfit(shown, spread, 1)
        if np.allclose(line[0] + line[1] * shown, spread, rtol=_FITS) and min(line) > 0:
            return Scatter((("additive", _round(line[0])), ("proportional", _round(line[1])), ("combination", "sd")))
        power = np.polynomial.polynomial.polyfit(np.log(shown), np.log(np.maximum(spread, 1e-300)), 1)
        if (
            np.allclose(power[0] + power[1] * np.log(shown), np.log(np.maximum(spread, 1e-300)), atol=1e-6)
            and power[1] > 0
        ):
            return Scatter(
                (("power", f"{{ coefficient = {_round(math.exp(power[0])):.7g}, exponent = {_round(power[1]):.7g} }}"),)
            )
        return _saturating(shown, spread) or _beside_power(shown, spread)
    return found


def _beside_power(shown: Floats, spread: Floats) -> Scatter | None:
    """a beside b f^c, added as variances or as standard deviations."""
    for way, of in (("variance", spread**2), ("sd", spread)):
        root = 0.5 if way == "variance" else 1.0

        def sides(exponent: float, root: float = root, of: Floats = of) -> Floats:
            return np.asarray(np.stack([np.ones_like(shown), shown ** (exponent / root)]).T / of[:, None])

        least = optimize.minimize_scalar(
            lambda c, sides=sides: optimize.nnls(sides(c), np.ones_like(shown))[1],
            bounds=_EXPONENTS, method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        both, _ = optimize.nnls(sides(least.x), np.ones_like(shown))
        if min(both) > 0 and np.allclose(sides(least.x) @ both, 1.0, rtol=1e-5):
            a, b = (_round(size**root) for size in both)
            power = f"{{ coefficient = {b:.7g}, exponent = {_round(least.x):.6g} }}"
            return Scatter((("additive", a), ("power", power), *([("combination", "sd")] if way == "sd" else [])))
    return None


def _saturating(shown: Floats, spread: Floats) -> Scatter | None:
    """c f/(f + k), of which f/s = (f + k)/c is a line."""
    if not (spread > 0).all():
        return None
    line = np.polynomial.polynomial.polyfit(shown, shown / spread, 1)
    if min(line) <= 0 or not np.allclose(line[0] + line[1] * shown, shown / spread, rtol=_FITS):
        return None
    formula = f"f/(f + {_round(line[0] / line[1]):.7g})"
    return Scatter((("deviation", f'{{ coefficient = {_round(1.0 / line[1]):.7g}, formula = "{formula}" }}'),))


def _two(
    along: Floats,
    variance: Floats,
    keys: tuple[str, str],
) -> Scatter | None:
    scale = float(variance.max())
    line, *_ = np.linalg.lstsq(
        np.stack([np.ones_like(along), along]).T / variance[:, None], np.ones_like(along), rcond=None
    )
    if min(line) <= 0 or scale <= 0 or not np.allclose(line[0] + line[1] * along, variance, rtol=1e-5):
        return None
    return Scatter(tuple((key, _round(math.sqrt(size))) for key, size in zip(keys, line, strict=True)))


def _nearest(points: list[tuple[float, float]], *, logged: bool) -> Scatter:
    """The law that comes nearest, and how near, in words."""
    if len(points) < 4:
        size = ("log_additive" if logged else "proportional", 0.2)
        return Scatter((size,), "no size could be worked out: 0.2 stands in")
    shown, spread = (np.array(each) for each in zip(*points, strict=True))
    keys = ("log_additive", "additive") if logged else ("additive", "proportional")
    along = 1.0 / shown**2 if logged else shown**2
    sides = np.stack([np.ones_like(along), along]).T / (spread**2)[:, None]
    both = np.sqrt(optimize.nnls(sides, np.ones_like(along))[0])
    off = float(np.max(np.abs(np.sqrt(both[0] ** 2 + both[1] ** 2 * along) / spread - 1.0)))
    sizes = tuple((key, _round(size)) for key, size in zip(keys, both, strict=True) if size > 0)
    if logged and sizes and sizes[0][0] == "additive":
        sizes = (("log_additive", 1e-6), *sizes)
    return Scatter(
        sizes, f"the nearest law is carried, off by up to {off:.2g} of the standard deviation over drawn predictions"
    )


def _all_equal(values: Floats) -> bool:
    return bool(np.allclose(values, values[0], rtol=_FITS, atol=0.0))


def _round(size: float) -> float:
    return float(f"{float(size):.7g}")
