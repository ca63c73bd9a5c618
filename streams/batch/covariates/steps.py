"""A stepwise search written down: its steps as a table and as JSON, and the model that it ended with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from streams.batch.covariates.asked import head
from streams.batch.covariates.candidates import Candidates, at_bounds
from streams.batch.population.fit import WORDS
from streams.terminal.version import version
from twin.covariates.characteristics import Characteristic
from twin.covariates.stepwise import Fitted, Step, Test, found
from twin.model.spec import Model
from twin.population.results.written import Provenance, fitted_model
from twin.population.theta import Theta

TITLES = f"{'test':32} {'objective':>12} {'drop':>10} {'goal':>9} {'dDF':>3} {'p':>9}"


def lines_of(step: Step) -> list[str]:
    """A step as people read it."""
    lines = [f"step {step.number}, {step.way}: base {step.base.objective:.5f}", f"  {TITLES}"]
    lines += [f"  {_line(step, test)}" for test in step.tests]
    if step.chosen is None:
        lines.append("  nothing to add" if step.way == "forward" else "  nothing to leave out")
    else:
        did = "added" if step.way == "forward" else "left out"
        lines.append(f"  {did}: {step.chosen.relation}")
    return lines


def _line(step: Step, test: Test) -> str:
    sign = "-" if step.way == "backward" else "+"
    note = "  significant" if test.significant else ""
    note += "" if test.fitted.converged else "  (did not converge)"
    return (
        f"{sign} {test.relation!s:30} {test.fitted.objective:12.5f} {test.drop:10.5f} {test.goal:9.5f}"
        f" {test.freedom:3d} {test.p:9.3g}{note}"
    )


def as_json(steps: Sequence[Step], candidates: Candidates, levels: tuple[float, float]) -> str:
    """Everything of a search: what was asked, and of every step what was tested and decided."""
    content = {
        **head(candidates.model, candidates.data, len(candidates.cases)),
        "method": candidates.method,
        "p_forward": levels[0],
        "p_backward": levels[1],
        "covariates": {name: _characteristic(each) for name, each in candidates.described.items()},
        "steps": [
            {
                "step": step.number,
                "way": step.way,
                "base": step.base.objective,
                "relations": [str(each) for each in step.base.relations],
                "tests": [_test(test) for test in step.tests],
                "chosen": None if step.chosen is None else str(step.chosen.relation),
            }
            for step in steps
        ],
        "relations": [str(each) for each in found(steps[-1]).relations],
        "objective": found(steps[-1]).objective,
        "at_bounds": list(at_bounds(found(steps[-1]), candidates.described)),
    }
    return json.dumps(content, indent=1) + "\n"


def _test(test: Test) -> dict[str, Any]:
    return {
        "relation": str(test.relation),
        "objective": test.fitted.objective,
        "drop": test.drop,
        "goal": test.goal,
        "freedom": test.freedom,
        "p": test.p,
        "significant": test.significant,
        "converged": test.fitted.converged,
    }


def _characteristic(each: Characteristic) -> dict[str, Any]:
    return {"centre": each.centre, "low": each.low, "high": each.high, "levels": list(each.levels)}


def how_found(steps: Sequence[Step], candidates: Candidates, levels: tuple[float, float]) -> str:
    """In a line: which search ended with these relations."""
    ways = " and ".join(
        f"{way} at p < {level:g}"
        for way, level in zip(("forward", "backward"), levels, strict=True)
        if any(step.way == way for step in steps)
    )
    looked_at = len({test.relation for step in steps for test in step.tests})
    relations = ", ".join(str(each) for each in found(steps[-1]).relations) or "none"
    return (
        f"covariates by stepwise search, {ways}, {WORDS[candidates.method]} (dosetwin {version()}), "
        f"{looked_at} relations looked at, from {candidates.model.id} {candidates.model.hash}, data"
        f" {candidates.data.hash}: {relations}"
    )


def model_of(ended: Fitted, candidates: Candidates, said: str, name: str) -> Model:
    """The model that a search ended with, at the numbers that it ended with."""
    model = candidates.written(ended.relations)
    theta = Theta.of(model, candidates.fixed)
    population = theta.population({n: v for n, v in ended.numbers.items() if n in theta.names})
    return fitted_model(theta, population, None, Provenance(said, len(candidates.cases)), name)


def problems_of(ended: Fitted, described: Mapping[str, Characteristic]) -> list[str]:
    """What is to be known of the model that a search ended with, in words."""
    return [
        f"{name} ended as far as it may go and is held there: the relation is of another shape, or few patients are far"
        " from its centre"
        for name in at_bounds(ended, described)
    ]
