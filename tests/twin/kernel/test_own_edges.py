"""Every particle's own edges: what was given enters whole, wherever a stretch is cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.arguments import OwnEdges
from twin.kernel.delayed_input import AS_GIVEN, EVENLY, FOREVER, TRANSIT, PieceRow, Pieces, possible
from twin.kernel.own_edges import no_own_edges, own_edges

H = HOUR_MS
KINDS = np.array([AS_GIVEN, EVENLY, TRANSIT])
BEGINNING = np.array([-(2**60)])
LATER = 300


def dose(
    at: int, column: int, amount: float, *, lasting: int = 0, every: int = 0, rated: bool = False, weight: float = 1.0
) -> PieceRow:
    """A dose given ``at`` some hour."""
    return at * H, column, at * H, (at + lasting) * H, amount, FOREVER, every * H, rated and lasting > 0, weight


def laid_out(rows: list[PieceRow], timing: Floats, begin: int, end: int) -> OwnEdges:
    """Edges from hour ``begin`` to ``end`` of particles with such timing (N, K, 4) in hours."""
    kinds, stretch = KINDS[: timing.shape[1]], (begin * H, end * H)
    return own_edges(Pieces.of(rows), kinds, lambda _: timing, BEGINNING, 0, H, stretch, np.inf)


def of_particle(edges: OwnEdges, n: int) -> slice:
    return slice(int(edges.edge_from[n]), int(edges.edge_from[n + 1]))


DOSES = st.builds(
    dose,
    st.integers(0, 60),
    st.sampled_from([0, 1]),
    st.floats(1.0, 100.0),
    lasting=st.sampled_from([0, 0, 1, 7]),
    every=st.sampled_from([0, 0, 0, 24]),
    rated=st.booleans(),
    weight=st.floats(0.2, 2.0),
)
TIMINGS = st.lists(
    st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 9.0), st.floats(0.0, 30.0), st.floats(0.1, 3.0)),
    min_size=1,
    max_size=4,
).map(lambda rows: np.array([[[lag, 0, 0, f], [other, second, 0, f]] for lag, second, other, f in rows], dtype=float))


@given(st.lists(DOSES.filter(lambda row: row[6] == 0), max_size=6), TIMINGS)
def test_every_dose_enters_whole(rows: list[PieceRow], timing: Floats) -> None:
    edges = laid_out(rows, timing, 0, LATER)
    doses = [amount * (end - begin) / H if end > begin else amount for _, _, begin, end, amount, *_ in rows]
    for n in range(len(timing)):
        part = of_particle(edges, n)
        hours = np.diff(np.append(edges.edges["time"][part], LATER))
        entered = (edges.rates[part] * hours[:, None]).sum() + edges.edges["amount"][part].sum()
        np.testing.assert_allclose(entered, sum(doses), rtol=1e-9)


@given(st.lists(DOSES, max_size=6), TIMINGS, st.integers(1, LATER - 1))
def test_a_stretch_that_is_cut_meets_the_same_edges(rows: list[PieceRow], timing: Floats, cut: int) -> None:
    whole = laid_out(rows, timing, 0, LATER)
    before, after = laid_out(rows, timing, 0, cut), laid_out(rows, timing, cut, LATER)
    for n in range(len(timing)):
        times = whole.edges["time"][of_particle(whole, n)]
        assert (np.diff(times) >= 0).all()
        assert times[0] == 0.0
        parts = np.concatenate([before.edges[of_particle(before, n)], after.edges[of_particle(after, n)]])
        rates = np.concatenate([before.rates[of_particle(before, n)], after.rates[of_particle(after, n)]])
        met = whole.edges[of_particle(whole, n)]
        for name in ("time", "disturbed", "column", "amount"):
            # The cut itself is an edge at which nothing needs to happen.
            here = met["time"] != cut
            there = parts["time"] != cut
            assert np.array_equal(met[name][here], parts[name][there])
        assert np.array_equal(whole.rates[of_particle(whole, n)][here], rates[there])


def test_flows_lie_by_column_and_begin() -> None:
    timing = np.zeros((2, 3, 4))
    timing[:, 2, :3] = [[0.5, 2.0, 3.0], [0.0, 0.0, 1.0]]
    edges = laid_out([dose(5, 2, 10.0), dose(1, 2, 20.0), dose(3, 0, 5.0)], timing, 0, LATER)
    assert edges.flow_from.tolist() == [[0, 0, 0, 2], [2, 2, 2, 4]]
    assert edges.flows["begin"].tolist() == [1.5, 5.5, 1.0, 5.0]
    assert edges.flows["n"].tolist() == [2.0, 2.0, 0.0, 0.0]
    assert edges.flows["k"].tolist() == [1.0, 1.0, 1.0, 1.0]


def test_doses_given_for_ever_before_enter_as_far_as_they_still_do() -> None:
    timing = np.array([[[30.0, 0.0, 0.0, 0.0], [0.0, 6.0, 0.0, 0.0]]])
    edges = laid_out([dose(0, 0, 10.0, every=24)], timing, 0, LATER)
    at = edges.edges["amount"] > 0
    # The dose of 24 h before enters 6 h after; the dose itself is another piece.
    assert edges.edges["time"][at].tolist() == [6.0]


def test_an_infusion_of_a_stated_rate_lasts_as_long_as_is_available_of_it() -> None:
    timing = np.array([[[1.0, 0.0, 0.0, f]] for f in (1.0, 0.5, 1.5, 0.0)])
    rows = [dose(2, 0, 10.0, lasting=4, rated=True)]
    edges = laid_out(rows, timing, 0, LATER)
    times = [edges.edges["time"][of_particle(edges, n)].tolist() for n in range(4)]
    assert times == [[0, 3, 7], [0, 3, 5], [0, 3, 9], [0]]
    highest = [edges.rates[of_particle(edges, n)].max() for n in range(4)]
    np.testing.assert_allclose(highest, [10.0, 20.0, 10.0 / 1.5, 0.0])
    kept = laid_out([dose(2, 0, 10.0, lasting=4)], timing, 0, LATER)
    assert [kept.rates[of_particle(kept, n)].max() for n in range(4)] == [10.0] * 4
    # What it was multiplied by when it was given is a part of that, and in its amount.
    half = laid_out([dose(2, 0, 5.0, lasting=4, rated=True, weight=0.5)], timing, 0, LATER)
    assert half.edges["time"][of_particle(half, 0)].tolist() == [0, 3, 5]
    assert half.rates[of_particle(half, 0)].max() == 10.0


def test_nothing_enters_an_impossible_particle() -> None:
    timing = np.array([[[lag, 0.0, 0.0, 0.0]] for lag in (np.inf, -1.0, np.nan, 1.0)])
    assert possible(timing, KINDS[:1], H).tolist() == [[False], [False], [False], [True]]
    edges = laid_out([dose(2, 0, 10.0), dose(3, 0, 10.0, every=24)], timing, 0, 24)
    assert np.diff(edges.edge_from).tolist() == [1, 1, 1, 2]
    assert edges.edges["time"].tolist() == [0.0, 0.0, 0.0, 0.0, 3.0]


def test_without_doses_every_particle_has_the_begin_alone() -> None:
    edges, none = laid_out([], np.zeros((3, 2, 4)), 4, 5), no_own_edges(3, 2)
    assert edges.edges["time"].tolist() == [4.0, 4.0, 4.0]
    assert not edges.rates.any()
    assert not len(edges.flows)
    for one, other in zip(edges, none, strict=True):
        assert one.dtype == other.dtype
        assert one.shape[1:] == other.shape[1:]
