"""``dosetwin fit`` on files."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streams.batch.population.search_file import keep
from streams.cli import app
from tests.twin import toys
from tests.twin.population.sites import clinics, outcomes
from twin.modelfile.reader import parse_model
from twin.population.results import sir
from twin.population.sampling import saem
from twin.population.search import State

MODEL = toys.made({"k": "0.3 1/h 0.1", "V": "12 L 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"}).text


def levels() -> str:
    """Sixteen patients of k = 0.2, V = 10, with variances 0.04 and 0.0225 and a tenth of error."""
    rng, lines = np.random.default_rng(4), ["ID,TIME,EVID,AMT,DV"]
    for patient in range(1, 17):
        k, volume = 0.2 * math.exp(rng.normal(0, 0.2)), 10 * math.exp(rng.normal(0, 0.15))
        lines.append(f"{patient},0,1,100,.")
        for hours in (0.5, 2, 4, 8, 12):
            level = 100 / volume * math.exp(-k * hours) * (1 + 0.1 * rng.normal())
            lines.append(f"{patient},{hours},0,.,{level:.4f}")
    return "\n".join(lines) + "\n"


def fit(folder: Path, *options: str, text: str | None = None) -> Result:
    (folder / "mine.toml").write_text(MODEL)
    (folder / "levels.csv").write_text(levels() if text is None else text)
    given = ["fit", str(folder / "levels.csv"), "--model", str(folder / "mine.toml"), "--out", str(folder / "out")]
    return CliRunner().invoke(app, [*given, *options])


def test_a_fit_says_what_it_found_and_writes_a_model(tmp_path: Path) -> None:
    result = fit(tmp_path)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stderr.splitlines()[-1])
    assert summary["patients"] == 16
    assert summary["converged"]
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    estimates = {one["name"]: one for one in found["estimates"]}
    for name, truth in (("k", 0.2), ("V", 10.0), ("omega.k", 0.04), ("error.plasma.proportional", 0.1)):
        assert abs(estimates[name]["value"] - truth) < 3 * estimates[name]["se_R"]
        assert estimates[name]["se_sandwich"] > 0
    assert found["condition_number"] > 1
    assert len(found["correlation"]) == 5
    assert found["problems"] == []
    assert 0 <= found["shrinkage"]["eta_sd"]["V"] < 0.5
    assert found["trace"][-1]["objective"] == found["objective"] <= found["trace"][0]["objective"]
    assert found["trace"][-1]["slope"] < 0.1 < found["trace"][0]["slope"]
    text = (tmp_path / "out" / "made_fit.toml").read_text()
    made = parse_model(text, "made_fit.toml")
    assert made.parameters[0].value == pytest.approx(estimates["k"]["value"])
    assert re.search(
        r"FOCE-I \(dosetwin .*\) from made [0-9a-f]{16}, data [0-9a-f]{32}", made.parameters[0].source or ""
    )
    # Every step says the objective and what moved.
    assert re.search(r"step 1: objective -?[0-9.]+; \S+ \S+, ", result.stderr)
    assert not (tmp_path / "out" / "search.json").exists()
    # The fitted model is where the next fit has nothing to do.
    again = fit(tmp_path, "--model", str(tmp_path / "out" / "made_fit.toml"), "--name", "again")
    assert json.loads(again.stderr.splitlines()[-1])["steps"] <= 1


def test_a_scale_of_residuals_and_what_a_lacking_age_widens_are_fitted_and_written(tmp_path: Path) -> None:
    missing = f"missing = {{ widens = {{ V = 0.02 }}, {toys.SOURCE} }}"
    error = MODEL.replace("proportional = 0.2", "additive = 0.2, box_cox = 0.3")
    (tmp_path / "scale.toml").write_text(
        f'{error}[covariates.AGE]\nunit = "a"\nreference = 50\n{missing}\n{toys.SOURCE}\n'
    )
    table = [f"{line},{'AGE' if at == 0 else '.' if int(line.split(',')[0]) % 2 else 50}"
             for at, line in enumerate(levels().splitlines())]  # fmt: skip
    names = ("error.plasma.box_cox", "widens.AGE.V")
    result = fit(tmp_path, "--model", str(tmp_path / "scale.toml"), text="\n".join(table) + "\n")
    assert result.exit_code == 0, result.output
    said = {one["name"]: one["value"] for one in json.loads((tmp_path / "out" / "fit.json").read_text())["estimates"]}
    made = parse_model((tmp_path / "out" / "made_fit.toml").read_text(), "made_fit.toml")
    assert [made.outputs[0].error.box_cox, dict(made.covariates[0].widens)["V"]] == [said[name] for name in names]
    # Where nobody lacks it nothing tells of it, and what is fixed stays.
    whole = [line.replace(",.\n", ",50\n") for line in ("\n".join(table) + "\n").splitlines(keepends=True)]
    held = fit(tmp_path, "--model", str(tmp_path / "scale.toml"), "--fix", names[0], text="".join(whole))
    assert "nothing that was measured tells widens.AGE.V" in held.stderr
    fixed = json.loads((tmp_path / "out" / "fit.json").read_text())["fixed"]
    assert fixed == {names[0]: 0.3, names[1]: 0.02}


WARDS = tuple(1 + i // 4 for i in range(48))


def of_wards(folder: Path, *options: str) -> Result:
    """A fit of 48 patients of twelve sites."""
    (folder / "sites.toml").write_text(clinics.bolus().text)
    table = "\n".join(clinics.bolus_table(clinics.bolus_values(WARDS), WARDS)) + "\n"
    return fit(folder, "--model", str(folder / "sites.toml"), *options, text=table)


def test_effects_of_sites_are_fitted_with_standard_errors_and_replicates_of_whole_sites(tmp_path: Path) -> None:
    result = of_wards(tmp_path, "--bootstrap", "4", "--jobs", "1", "--fix", "omega.V", "--page")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["converged"]
    estimates = {one["name"]: one for one in found["estimates"]}
    assert [name for name in estimates if name.startswith("isv")] == ["isv.CL", "isv.CL.V", "isv.V"]
    assert all(one["se_R"] > 0 and one["se_S"] > 0 for one in estimates.values())
    assert found["bootstrap"]["converged"] >= 2
    assert abs(found["likelihood"]["without_n_log_2pi"] - found["objective"]) < 10
    text = (tmp_path / "out" / "toy_bolus_fit.toml").read_text()
    made = parse_model(text, "toy_bolus_fit.toml")
    assert made.omega_isv[0, 1] == estimates["isv.CL.V"]["value"]
    assert made.parameters[1].isv == estimates["isv.V"]["value"]
    assert (tmp_path / "out" / "fit.html").stat().st_size > 100_000


def test_counts_of_patients_in_sites_are_fitted_by_laplaces_method(tmp_path: Path) -> None:
    (tmp_path / "counts.toml").write_text(outcomes.outcomes().text)
    rows = zip(outcomes.ROWS["lesions"] * 3, [1 + i // 3 for i in range(18)], strict=True)
    lines = ["ID,TIME,EVID,AMT,DV,DVID,SITE"]
    for i, (own, site) in enumerate(rows, start=1):
        lines.append(f"{i},0,1,1,.,.,{site}")
        lines += [f"{i},{t},0,.,{y},lesions,{site}" for t, y in zip((1, 3), own, strict=True)]
    held = ("--method", "laplace", "--fix", "long,rich,error.plasma.proportional", "--no-page")
    result = fit(tmp_path, "--model", str(tmp_path / "counts.toml"), *held, text="\n".join(lines) + "\n")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert [one["name"] for one in found["estimates"]] == ["risk", "omega.risk", "isv.risk"]
    assert abs(found["likelihood"]["without_n_log_2pi"] - found["objective"]) < 2


def test_a_first_order_fit_says_how_far_its_line_is_from_the_model(tmp_path: Path) -> None:
    result = fit(tmp_path, "--method", "fo", "--no-page")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["objective_is"].startswith("-2 log likelihood by FO,")
    told = r"method fo puts a line .* it is off by 0\.\d+ residual standard deviations .* fit again by focei or imp"
    assert re.search(told, " ".join(found["problems"]))
    assert found["converged"]
    assert all(one["se_R"] > 0 and one["se_sandwich"] > 0 for one in found["estimates"])
    # What is compared is the likelihood itself, which no line stands in for.
    assert found["likelihood"]["least_effective_share"] > 0.5
    assert abs(found["likelihood"]["without_n_log_2pi"] - found["objective"]) > 1


@pytest.mark.parametrize("method", ["imp", "saem"])
def test_the_likelihood_itself_is_fitted_by_draws_and_told_of_every_method(tmp_path: Path, method: str) -> None:
    exact, by_modes = fit(tmp_path, "--method", method), tmp_path / "modes"
    assert exact.exit_code == 0, exact.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["converged"]
    assert "importance sampling" in found["objective_is"]
    estimates = {one["name"]: one for one in found["estimates"]}
    for name, truth in (("k", 0.2), ("V", 10.0), ("error.plasma.proportional", 0.1)):
        assert abs(estimates[name]["value"] - truth) < 3 * estimates[name]["se_R"]
    assert found["objective"] == pytest.approx(
        found["likelihood"]["without_n_log_2pi"], abs=4 * found["likelihood"]["standard_error"]
    )
    fit(tmp_path, "--out", str(by_modes))
    other = json.loads((by_modes / "fit.json").read_text())["likelihood"]
    # Nowhere is the likelihood higher than where it was looked for.
    assert found["likelihood"]["minus_2_log"] < other["minus_2_log"] + 3 * other["standard_error"]


def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains that are shorter than those of a fit that counts."""
    import streams.batch.population.fit as of

    for name, steps in (("WARMED", 60), ("KEPT", 120), ("MOST", 120)):
        monkeypatch.setattr(of, name, steps)
    for name, steps in (("COOLED", 40), ("WINDOW", 40), ("SMOOTHED", 80)):
        monkeypatch.setattr(saem, name, steps)


def test_a_posterior_is_drawn_and_written_with_its_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter(monkeypatch)
    (tmp_path / "prior.toml").write_text('source = "elsewhere"\n[numbers]\nV = { value = 10.5, se = 0.1 }\n')
    result = fit(tmp_path, "--method", "bayes", "--prior", str(tmp_path / "prior.toml"))
    assert result.exit_code in (0, 1), result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())["posterior"]
    assert found["prior"].startswith("elsewhere; of what it does not name: flat")
    numbers = {one["name"]: one for one in found["numbers"]}
    assert abs(numbers["V"]["median"] - 10.5) < 0.4
    assert numbers["k"]["low"] < 0.2 < numbers["k"]["high"]
    lines = (tmp_path / "out" / "posterior.csv").read_text().splitlines()
    assert lines[0] == "chain,draw,k,V,omega.k,omega.V,error.plasma.proportional"
    assert len(lines) == 1 + 4 * 30
    made = parse_model((tmp_path / "out" / "made_fit.toml").read_text(), "made_fit.toml")
    assert made.parameters[1].value == pytest.approx(numbers["V"]["mean"])
    assert "Bayes, means of the posterior" in (made.parameters[1].source or "")


def test_a_bootstrap_says_how_certain_the_numbers_are_on_any_number_of_processes(tmp_path: Path) -> None:
    made = []
    for jobs in ("1", "2"):
        result = fit(tmp_path, "--bootstrap", "6", "--no-page", "--jobs", jobs)
        assert result.exit_code == 0, result.output
        made.append(json.loads((tmp_path / "out" / "fit.json").read_text()))
    assert made[0]["bootstrap"] == made[1]["bootstrap"]
    numbers = {one["name"]: one for one in made[0]["bootstrap"]["numbers"]}
    assert made[0]["bootstrap"]["converged"] > 4
    for one in made[0]["estimates"]:
        if one["name"] in ("k", "V"):
            assert 0.5 < numbers[one["name"]]["se"] / one["se_R"] < 2.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--bootstrap", "1"), "at least 2 replicates"),
        (("--strata", "SEX"), "at least 2 replicates"),
        (("--bootstrap", "5", "--strata", "SEX"), "is no covariate of made"),
        (("--bootstrap", "5", "--method", "bayes"), "goes with all methods but bayes"),
    ],
)
def test_a_bootstrap_that_cannot_be_made_is_refused_before_the_fit(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    result = fit(tmp_path, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_interrupted_fit_goes_on_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import streams.batch.population.fit as of

    def interrupted(path: Path, key: str, state: State) -> None:
        keep(path, key, state)
        if state.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(of, "keep", interrupted)
    stopped = fit(tmp_path)
    assert stopped.exit_code == 130
    assert stopped.stderr.endswith("interrupted; call it again in the same way to go on from here\n")
    monkeypatch.setattr(of, "keep", keep)
    # Another question does not take it up.
    kept_search = (tmp_path / "out" / "search.json").read_bytes()
    assert "step 0:" in fit(tmp_path, "--fix", "k,V,omega.k,omega.V").stderr
    (tmp_path / "out" / "search.json").write_bytes(kept_search)
    result = fit(tmp_path)
    assert result.exit_code == 0, result.output
    assert "step 0:" not in result.stderr
    assert "step 3:" in result.stderr


def test_what_is_fixed_stays(tmp_path: Path) -> None:
    result = fit(tmp_path, "--fix", "V,omega.V", "--method", "foce")
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert found["fixed"] == {"V": pytest.approx(12.0), "omega.V": 0.1}
    assert [one["name"] for one in found["estimates"]] == ["k", "omega.k", "error.plasma.proportional"]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fix", "Vx"), "fixed: 'Vx' is no number of made; it has k, V, omega.k, omega.V, error.plasma.proportional"),
        (("--name", "no id"), "--name 'no id' cannot be an id"),
        (("--model", "nothing"), "nothing"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    result = fit(tmp_path, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_who_asks_fit_to_compare_is_told_the_command_that_does() -> None:
    result = CliRunner().invoke(app, ["fit", "--compare", "base", "weight"])
    assert result.exit_code == 2
    assert result.stderr.endswith("dosetwin compare A B C\n")


def test_patients_without_a_value_are_left_out_by_name(tmp_path: Path) -> None:
    result = fit(tmp_path, "--fix", "k,V,omega.k,omega.V", text=levels() + "17,0,1,100,.\n")
    assert result.exit_code == 3
    assert "patient 17 is left out: it has no value of plasma; a value is a DV on a record with EVID 0" in result.stderr
    assert json.loads(result.stderr.splitlines()[-1])["patients"] == 16


@pytest.mark.parametrize(("header", "lost"), [("ID,TIME,EVID,AMT,DV", "dose"), ("ID,TIME,AMT,DV", "record")])
def test_a_patient_whose_dose_cannot_be_read_is_left_out_whole(tmp_path: Path, header: str, lost: str) -> None:
    lines = [line.replace("16,0,1,100,.", "16,0,1,1OO,.") for line in levels().splitlines()[1:]]
    if lost == "record":
        lines = [",".join(cell for n, cell in enumerate(line.split(",")) if n != 2) for line in lines]
    result = fit(tmp_path, "--fix", "k,V,omega.k,omega.V", "--no-page", text="\n".join([header, *lines]) + "\n")
    assert result.exit_code == 3
    assert "AMT '1OO' is not a finite number" in result.stderr
    assert f"patient 16 is left out: {lost} (line 92) could not be used" in result.stderr
    assert json.loads(result.stderr.splitlines()[-1])["patients"] == 15


def test_patients_to_whom_nothing_was_given_are_named(tmp_path: Path) -> None:
    text = "\n".join(line for line in levels().splitlines() if line != "3,0,1,100,.") + "\n"
    result = fit(tmp_path, "--no-page", text=text)
    assert "note: no dose was read of 1 of 16 patients (3): they are taken as given nothing" in result.stderr


def test_a_value_that_no_number_can_be_is_named_with_its_patient(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^(2,4,0,\.,).*$", r"\g<1>1e300", levels())
    result = fit(tmp_path, "--no-page", text=text)
    assert result.exit_code == 1
    assert (
        "is not finite at the values that the search begins with (patient 2, whose values of plasma go up to 1e+300)"
        in (result.stderr)
    )


def test_the_fit_of_one_patient_writes_a_model_that_states_no_standard_errors(tmp_path: Path) -> None:
    alone = "\n".join(line for line in levels().splitlines() if line.startswith(("ID", "1,"))) + "\n"
    result = fit(tmp_path, "--no-page", text=alone)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert json.loads(result.stderr.splitlines()[-1])["patients"] == 1
    assert "[parameters.k.stated]" not in (tmp_path / "out" / "made_fit.toml").read_text()
    assert parse_model((tmp_path / "out" / "made_fit.toml").read_text(), "made_fit.toml").omega.shape == (2, 2)


@pytest.mark.parametrize("method", ["focei", "imp"])
@pytest.mark.parametrize(
    ("of", "said"),
    [
        (lambda _: 5.0, "error.plasma.proportional ran away: look at units of DV, AMT and TIME"),
        (lambda patient: 10.0 ** (3 * patient), "the search ended"),
    ],
    ids=["levels that never fall", "levels in another unit for each patient"],
)
def test_values_that_are_of_no_such_model_are_told_and_not_followed_to_infinity(
    tmp_path: Path, method: str, of: Callable[[int], float], said: str
) -> None:
    rows = [row for patient in range(1, 6) for row in
            (f"{patient},0,1,100,.", *(f"{patient},{t},0,.,{of(patient)}" for t in (1, 3, 6)))]  # fmt: skip
    result = fit(tmp_path, "--method", method, text="\n".join(["ID,TIME,EVID,AMT,DV", *rows]) + "\n")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert said in result.stderr
    made = parse_model((tmp_path / "out" / "made_fit.toml").read_text(), "made_fit.toml")
    assert np.isfinite(made.omega).all()


def test_several_starts_profiles_and_resampling_agree_about_how_certain_numbers_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sir, "SAMPLES", (100, 200))  # fewer than of a fit that counts: each is an objective
    monkeypatch.setattr(sir, "RESAMPLES", (50, 100))
    options = ("--fix", "k,omega.k", "--starts", "3", "--profile", "V,omega.V", "--sir")
    result = fit(tmp_path, *options, "--jobs", "1")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert [one["ended"] for one in found["starts"]["ends"]] == ["converged"] * 3
    assert max(one["standard_errors_apart"] for one in found["starts"]["ends"]) < 0.3
    numbers = {one["name"]: one for one in found["sir"]["numbers"]}
    se = {one["name"]: one["se_R"] for one in found["estimates"]}
    for one in found["profile"]:
        assert one["low"] < one["value"] < one["high"]
        assert numbers[one["name"]]["low"] == pytest.approx(one["low"], abs=se[one["name"]])
    assert len(found["sir"]["iterations"]) == 2
    assert re.search(r"start 2: objective -?[0-9.]+; converged", result.stderr)
    assert re.search(r"profile: omega\.V [0-9.]+, 95 % [0-9.]+ to [0-9.]+", result.stderr)
    assert re.search(r"sir: V 95 % [0-9.]+ to [0-9.]+", result.stderr)
    assert not (tmp_path / "out" / "starts.json").exists()


def test_what_is_known_before_is_heeded_and_said(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_text(
        'source = "made up"\n[numbers.V]\nvalue = 9.0\nse = 0.01\n[numbers."omega.V"]\nvalue = 0.02\ndegrees = 20\n'
    )
    result = fit(tmp_path, "--fix", "k,omega.k", "--prior", str(tmp_path / "known.toml"))
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "fit.json").read_text())
    estimates = {one["name"]: one for one in found["estimates"]}
    assert estimates["V"]["value"] == pytest.approx(9.0, abs=0.02)
    assert estimates["V"]["se_R"] < 0.011
    assert found["prior"]["source"] == "made up"
    assert found["objective"] == pytest.approx(found["aic"] - 2 * len(estimates) + found["prior"]["adds_to_objective"])
    assert "prior made up" in (tmp_path / "out" / "made_fit.toml").read_text()
    (tmp_path / "known.toml").write_text('source = "made up"\n[numbers.W]\nvalue = 9.0\nse = 0.1\n')
    refused = fit(tmp_path, "--prior", str(tmp_path / "known.toml"))
    assert refused.exit_code == 2
    assert "'W' is no free number of made" in refused.stderr


@pytest.mark.parametrize("method", ["focei", "imp"])
def test_a_value_beyond_all_numbers_is_told_without_a_word_of_numpy(method: str, tmp_path: Path) -> None:
    head, *rows = levels().splitlines()
    at, huge = head.split(",").index("DV"), next(n for n, row in enumerate(rows) if row.split(",")[2] == "0")
    cells = rows[huge].split(",")
    cells[at] = "1e300"
    rows[huge] = ",".join(cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(tmp_path, "--method", method, text="\n".join([head, *rows]) + "\n")
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "patient 1" in result.stderr
