"""``dosetwin fit`` of models with classes that nobody sees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streams.batch.population.search_file import keep
from streams.cli import app
from tests.streams.commands.study.test_fit import fit, shorter
from tests.twin.population.mixture.clinics import eliminated_in_clinics, eliminated_table
from tests.twin.population.mixture.mixtures import concentrations, eliminated
from twin.modelfile.library import load_model
from twin.population.search import State


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A fit of forty patients of two classes of clearance."""
    folder = tmp_path_factory.mktemp("classes")
    (folder / "two.toml").write_text(eliminated().text)
    return folder, fit(folder, "--model", str(folder / "two.toml"), "--page", text=concentrations(40, 3)[0])


def test_a_mixture_says_who_is_of_which_class(classified: tuple[Path, Result]) -> None:
    folder, result = classified
    assert result.exit_code == 0, result.output
    assert json.loads(result.stderr.splitlines()[-1])["patients"] == 40
    found = json.loads((folder / "out" / "fit.json").read_text())
    assert (found["patients"], found["values"], len(found["classes"]["patients"])) == (40, 160, 40)
    truth = concentrations(40, 3)[1]
    right = [one["class"] == truth[one["id"]] for one in found["classes"]["patients"]]
    assert np.mean(right) > 0.9
    share = next(one for one in found["estimates"] if one["name"] == "share.slow")
    assert abs(share["value"] - 0.4) < 3 * share["se_sandwich"]
    # The objective and the likelihood by draws are of one thing.
    assert abs(found["likelihood"]["without_n_log_2pi"] - found["objective"]) < 10
    made = load_model(folder / "out" / "made_fit.toml", mixtures=True)
    assert made.mixture is not None
    assert made.mixture.shares[0] == share["value"]
    table = (folder / "out" / "tables" / "patients.csv").read_text().splitlines()
    assert table[0].startswith("patient,eta.CL,eta.V,SORT,probability.slow,probability.fast,objective")
    assert len(table) == 41
    assert len((folder / "out" / "tables" / "values.csv").read_text().splitlines()) == 161
    assert "Classes of SORT" in (folder / "out" / "fit.html").read_text()


def test_the_page_of_a_mixture_is_made_again_with_the_same_probabilities(classified: tuple[Path, Result]) -> None:
    folder, _ = classified
    table = folder / "out" / "tables" / "patients.csv"
    before = np.genfromtxt(table, delimiter=",", skip_header=1)
    result = CliRunner().invoke(app, ["diagnose", str(folder / "out"), str(folder / "levels.csv")])
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(np.genfromtxt(table, delimiter=",", skip_header=1), before, rtol=1e-4, atol=1e-6)


def test_starts_profiles_and_replicates_of_a_mixture_agree_about_its_share(
    classified: tuple[Path, Result], tmp_path: Path
) -> None:
    options = ("--starts", "2", "--profile", "share.slow", "--bootstrap", "4", "--jobs", "1", "--no-page")
    model = str(classified[0] / "out" / "made_fit.toml")
    result = fit(tmp_path, "--model", model, *options, text=concentrations(40, 3)[0])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["problems"] == []
    assert [one["classes_by_other_names"] for one in found["starts"]["ends"]] == [False, False]
    assert (found["bootstrap"]["converged"], found["bootstrap"]["renamed"]) == (4, 0)
    share = next(one for one in found["estimates"] if one["name"] == "share.slow")
    (profile,) = found["profile"]
    assert profile["high"] - profile["low"] == pytest.approx(2 * 1.96 * share["se_R"], rel=0.1)
    drawn = next(one for one in found["bootstrap"]["numbers"] if one["name"] == "share.slow")
    assert profile["low"] < drawn["mean"] < profile["high"]


def test_chains_draw_the_classes_of_a_mixture_and_go_on_after_an_interruption(
    classified: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streams.batch.population.fit as of

    shorter(monkeypatch)
    given = ("--model", str(classified[0] / "two.toml"), "--method", "saem", "--starts", "2", "--jobs", "1", "--page")

    def interrupted(path: Path, key: str, state: State) -> None:
        keep(path, key, state)
        if state.step == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(of, "keep", interrupted)
    assert fit(tmp_path, *given, text=concentrations(40, 3)[0]).exit_code == 130
    monkeypatch.setattr(of, "keep", keep)
    result = fit(tmp_path, *given, text=concentrations(40, 3)[0])
    assert result.exit_code == 0, result.output
    assert "step 30:" not in result.stderr
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    by_modes = json.loads((classified[0] / "out" / "fit.json").read_text())
    for one, other in zip(found["estimates"], by_modes["estimates"], strict=True):
        assert abs(one["value"] - other["value"]) < other["se_R"], one["name"]
    assert found["likelihood"]["minus_2_log"] < by_modes["likelihood"]["minus_2_log"] + 0.5
    assert [one["classes_by_other_names"] for one in found["starts"]["ends"]] == [False, False]
    same = [
        one["class"] == other["class"]
        for one, other in zip(found["classes"]["patients"], by_modes["classes"]["patients"], strict=True)
    ]
    assert np.mean(same) > 0.95
    assert "Classes of SORT" in (tmp_path / "out" / "fit.html").read_text()


def test_a_posterior_of_a_mixture_says_its_prior_and_is_drawn_again_by_its_seed(
    classified: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter(monkeypatch)
    given = ("--model", str(classified[0] / "two.toml"), "--method", "bayes", "--no-page", "--seed", "5")
    draws = []
    for out in ("one", "two"):
        result = fit(tmp_path, *given, "--out", str(tmp_path / out), text=concentrations(40, 3)[0])
        assert result.exit_code in (0, 1), result.output
        draws.append((tmp_path / out / "posterior.csv").read_bytes())
    assert draws[0] == draws[1]
    found = json.loads((tmp_path / "one" / "fit.json").read_text())
    assert "shares of classes Dirichlet with 1 of each, where each class has somebody" in found["posterior"]["prior"]
    assert found["posterior"]["held_for_names"] == 0.0
    share = next(one for one in found["posterior"]["numbers"] if one["name"] == "share.slow")
    assert share["low"] < 0.4 < share["high"]
    assert sum(one["probability"]["slow"] for one in found["classes"]["patients"]) == pytest.approx(
        40 * share["mean"], abs=4
    )
    made = load_model(tmp_path / "one" / "made_fit.toml", mixtures=True)
    assert made.mixture is not None
    assert made.mixture.shares[0] == pytest.approx(share["mean"])


def test_classes_that_nobody_sees_are_fitted_in_sites_with_replicates_of_whole_sites(tmp_path: Path) -> None:
    (tmp_path / "both.toml").write_text(eliminated_in_clinics().text)
    truth: dict[str, str] = {}
    wards = tuple(1 + i // 4 for i in range(48))
    table = "\n".join(eliminated_table(wards, 11, truth=truth)) + "\n"
    options = ("--model", str(tmp_path / "both.toml"), "--bootstrap", "3", "--jobs", "1", "--page")
    result = fit(tmp_path, *options, "--fix", "omega.V,error.plasma.proportional", text=table)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["converged"]
    estimates = {one["name"]: one for one in found["estimates"]}
    assert [name for name in estimates if name.startswith("isv")] == ["isv.CL", "isv.CL.V", "isv.V"]
    assert abs(estimates["share.slow"]["value"] - 0.4) < 4 * estimates["share.slow"]["se_R"]
    assert found["bootstrap"]["converged"] >= 2
    assert abs(found["likelihood"]["without_n_log_2pi"] - found["objective"]) < 5
    called = {one["id"]: one["class"] for one in found["classes"]["patients"]}
    assert sum(called[one] == truth[one] for one in truth) > 0.9 * len(truth)
    made = load_model(tmp_path / "out" / "made_fit.toml", mixtures=True)
    assert made.omega_isv[0, 1] == estimates["isv.CL.V"]["value"]
    assert made.mixture is not None
    assert made.mixture.shares[0] == pytest.approx(estimates["share.slow"]["value"])
    patients = (tmp_path / "out" / "tables" / "patients.csv").read_text().splitlines()
    assert "slow" in patients[0]
    assert len(patients) == 1 + len(truth)


@pytest.mark.parametrize("method", ["saem", "bayes"])
def test_chains_draw_classes_of_patients_in_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    shorter(monkeypatch)
    (tmp_path / "both.toml").write_text(eliminated_in_clinics().text)
    truth: dict[str, str] = {}
    table = "\n".join(eliminated_table(tuple(1 + i // 4 for i in range(32)), 11, truth=truth)) + "\n"
    result = fit(tmp_path, "--model", str(tmp_path / "both.toml"), "--method", method, "--no-page", text=table)
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    values = {one["name"]: one["value"] for one in found["estimates"]}
    assert values["CL"] == pytest.approx(2.0, rel=0.4)
    assert values["isv.V"] == pytest.approx(0.03, abs=0.06)
    called = {one["id"]: one["class"] for one in found["classes"]["patients"]}
    assert sum(called[one] == truth[one] for one in truth) > 0.8 * len(truth)
