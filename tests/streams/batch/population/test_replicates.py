"""Replicates of a bootstrap whose classes changed names do not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.population.patients import cohort_of, timelines_of
from streams.batch.population.question import Question
from streams.batch.population.replicates import bootstrap
from tests.twin.population.mixture.mixtures import concentrations, eliminated
from twin.population.search import State, bounds, search
from twin.population.theta import FitError, Theta


def test_replicates_whose_classes_go_by_other_names_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(eliminated().text)
    (tmp_path / "levels.csv").write_text(concentrations(24, 3)[0])
    files, left_out = [tmp_path / "levels.csv"], LeftOut()
    how = reading(str(tmp_path / "two.toml"), files, mixtures=True)
    assert how.model is not None
    cases = cases_in(files, how, left_out)
    cohort = cohort_of(timelines_of(cases, how.model, left_out), Theta.of(how.model))
    question = Question.of(cases, cohort, "focei")
    theta, none = cohort.theta, lambda *_: None
    _, here = search(question.objective(), State(theta.pack(theta.start)), none, bounds(theta))
    strata = np.zeros(24, dtype=np.int64)
    found = bootstrap(question, here, strata, 3, 0, lambda _: None)
    assert (found.converged, found.renamed, found.problem) == (3, 0, None)
    assert here.posterior is not None
    with pytest.raises(FitError, match="0 of 3 replicates converged, and 3 more to classes that changed names"):
        bootstrap(question, replace(here, posterior=here.posterior[:, ::-1]), strata, 3, 0, lambda _: None)
