"""Replicates of a bootstrap are fitted by the method asked for, and count as long as classes keep their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.population.patients import cohort_of, timelines_of
from streams.batch.population.question import Question
from streams.batch.population.replicates import bootstrap
from tests.twin.population.diagnostics import cohorts
from tests.twin.population.mixture.mixtures import concentrations, eliminated
from twin.population.importance import covering
from twin.population.objective import Evaluation
from twin.population.sampling import saem
from twin.population.search import State, bounds, search
from twin.population.theta import FitError, Theta


def asked(folder: Path, text: str, lines: str) -> tuple[Question, Evaluation]:
    """What is fitted by modes, and where that ends."""
    (folder / "mine.toml").write_text(text)
    (folder / "levels.csv").write_text(lines)
    files, left_out = [folder / "levels.csv"], LeftOut()
    how = reading(str(folder / "mine.toml"), files, mixtures=True)
    assert how.model is not None
    cases = cases_in(files, how, left_out)
    cohort = cohort_of(timelines_of(cases, how.model, left_out), Theta.of(how.model))
    question = Question.of(cases, cohort, "focei")
    theta = cohort.theta
    _, here = search(question.objective(), State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    return question, here


def test_replicates_whose_classes_go_by_other_names_are_left_out_and_counted(tmp_path: Path) -> None:
    question, here = asked(tmp_path, eliminated().text, concentrations(24, 3)[0])
    strata = np.zeros(24, dtype=np.int64)
    found = bootstrap(question, "focei", here, strata, 3, 0, lambda _: None, tmp_path / "kept.json", "")
    assert (found.converged, found.renamed, found.problem) == (3, 0, None)
    assert here.posterior is not None
    with pytest.raises(FitError, match="0 of 3 replicates converged, and 3 more to classes that changed names"):
        bootstrap(
            question,
            "focei",
            replace(here, posterior=here.posterior[:, ::-1]),
            strata,
            3,
            0,
            lambda _: None,
            tmp_path / "other.json",
            "",
        )


def lines() -> str:
    rng, rows = np.random.default_rng(6), ["ID,TIME,EVID,AMT,DV"]
    for i in range(1, 25):
        base, slope = rng.multivariate_normal([10.0, 1.5], cohorts.OMEGA)
        rows += [f"{i},{t},0,.,{base + slope * t + cohorts.SD * rng.normal():.6f}" for t in cohorts.TIMES]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("method", ["imp", "saem"])
def test_by_draws_each_ends_where_the_exact_maximum_of_those_patients_is(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is linear and normal FOCE-I is exact."""
    monkeypatch.setattr(covering, "EXACT", 300)
    for name, value in (("COOLED", 40), ("WINDOW", 60), ("SMOOTHED", 120)):
        monkeypatch.setattr(saem, name, value)
    question, here = asked(tmp_path, cohorts.straight().text, lines())
    strata = np.zeros(24, dtype=np.int64)
    exact = bootstrap(question, "focei", here, strata, 4, 0, lambda _: None, tmp_path / "kept.json", "exact")
    drawn = bootstrap(question, method, here, strata, 4, 0, lambda _: None, tmp_path / "kept.json", "drawn")  # type: ignore[arg-type]
    assert drawn.converged == exact.converged == 4
    np.testing.assert_allclose((drawn.mean - exact.mean) / exact.error, 0.0, atol=0.2)
    np.testing.assert_allclose(drawn.error / exact.error, 1.0, atol=0.2)


def test_those_that_are_written_down_are_not_made_again(tmp_path: Path) -> None:
    question, here = asked(tmp_path, cohorts.straight().text, lines())
    strata, kept = np.zeros(24, dtype=np.int64), tmp_path / "kept.json"
    told: list[int] = []
    whole = bootstrap(question, "focei", here, strata, 12, 0, told.append, tmp_path / "whole.json", "of this")
    assert told == [10, 12]
    bootstrap(question, "focei", here, strata, 10, 0, told.append, kept, "of this")
    told.clear()
    found = bootstrap(question, "focei", here, strata, 12, 0, told.append, kept, "of this")
    assert told == [12]
    np.testing.assert_array_equal([found.mean, found.error, found.low], [whole.mean, whole.error, whole.low])
    told.clear()
    bootstrap(question, "focei", here, strata, 12, 0, told.append, kept, "of that")
    assert told == [10, 12]
    kept.write_text("{")
    bootstrap(question, "focei", here, strata, 2, 0, told.append, kept, "of that")
    assert told == [10, 12, 2]
