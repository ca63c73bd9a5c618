"""Who is of one site, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.sites import clinics
from twin.population.results.bootstrap import drawn_anew, strata_of
from twin.population.theta import FitError


def table(*sites: object) -> list[str]:
    """A value of each of some patients of `line`."""
    return ["ID,TIME,EVID,AMT,DV,SITE", *(f"{i},1,0,.,11,{site}" for i, site in enumerate(sites, start=1))]


def test_patients_of_one_value_are_of_one_site_and_who_has_the_references_is_alone() -> None:
    cohort = clinics.of_line(clinics.line_values())
    assert cohort.site is not None
    assert cohort.site.tolist() == [0, 1, 0, 2, 1, 0, 3, 1]
    np.testing.assert_array_equal(cohort.above, [[0.0], [1.0]])


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ((0, 0, 0), "SITE: of 3 patients no two are of one site, so that nothing tells sites from patients; leave isv"),
        ((5, 5), "SITE: of 2 patients all are of one site"),
    ],
)
def test_sites_that_nothing_tells_from_patients_are_refused(sites: tuple[int, ...], message: str) -> None:
    with pytest.raises(FitError, match=re.escape(message)):
        cohort_of(clinics.line(), table(*sites), "line")


def test_a_patient_is_of_one_site() -> None:
    lines = [*table(1, 1, 2), "3,2,0,.,12,1"]
    with pytest.raises(FitError, match="patient 3: SITE changes from 1 to 2, and a patient is of one site"):
        cohort_of(clinics.line(), lines, "line")


def test_whole_sites_are_drawn_and_one_that_is_drawn_again_is_another() -> None:
    cohort = clinics.of_line(clinics.line_values())
    assert cohort.site is not None
    sizes = np.bincount(cohort.site)
    for replicate in range(5):
        which = drawn_anew(np.zeros(len(cohort), dtype=np.int64), replicate, site=cohort.site)
        drawn = cohort.drawn(which)
        assert drawn.site is not None
        of = cohort.site[which]
        for copy in np.unique(drawn.site):
            members = which[drawn.site == copy]
            assert len(np.unique(members)) == len(members) == sizes[cohort.site[members[0]]]
            assert len(np.unique(of[drawn.site == copy])) == 1
        assert len(np.unique(drawn.site)) == 4


def test_strata_may_be_sites_and_may_not_part_one() -> None:
    cohort = clinics.of_line(clinics.line_values())
    assert strata_of(cohort, "SITE").max() == 2
    cohort.site = np.zeros(len(cohort), dtype=np.int64)
    with pytest.raises(FitError, match="strata: 'SITE' differs within a site, and whole sites are drawn"):
        strata_of(cohort, "SITE")
