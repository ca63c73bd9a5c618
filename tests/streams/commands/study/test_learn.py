"""A population is learnt, judged by later patients and released by commands; sites that share sums find it too."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import POSTERIORS, ensure_topics, home_partition
from connectors.posteriors import packed, sealed
from connectors.privacy.master_key import KeySettings, master_key
from connectors.privacy.patient_keys import create_store, patient_keys
from connectors.releases import new_key, open_releases
from connectors.settings import load_settings
from streams.batch.learning.account import fingerprint
from streams.batch.learning.verdicts import read_version
from streams.commands.study.learn import app
from tests.twin.toys import LEVELS
from twin.arrays import Floats
from twin.events import encode
from twin.learning.messages.message import Message, message_of
from twin.learning.messages.structure import sizes_of
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.patient.accounts.initial_effects import InitialEffects, Residuals

PUBLISHED = parse_model(LEVELS, "toy.toml")
EARLY, LATER, PARTICLES = 40, 30, 500
TYPICAL = [(p.name, p.value) for p in PUBLISHED.parameters if p.name in PUBLISHED.eta_names]
PATIENTS = [f"P{number}" for number in range(EARLY + LATER)]


def message(patient_id: str, measured: Floats, rng: np.random.Generator) -> Message:
    """What a twin by the published model says that measured phi - phi_0 with an error of 0.1."""
    covariance = np.linalg.inv(np.linalg.inv(PUBLISHED.omega) + 100 * np.eye(len(measured)))
    eta = covariance @ (100 * measured) + rng.standard_normal((PARTICLES, 3)) @ np.linalg.cholesky(covariance).T
    evidence = stats.multivariate_normal.logpdf(measured, None, PUBLISHED.omega + 0.01 * np.eye(3))
    nobody, outputs = np.zeros(0), len(sizes_of(PUBLISHED).names)
    residuals = Residuals.none(PARTICLES, outputs)
    believed = InitialEffects(
        eta, np.zeros(PARTICLES), np.zeros(3), nobody, float(evidence), 3, nobody, nobody, residuals
    )
    return message_of(patient_id, PUBLISHED, believed)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the published model and messages, early ones and later ones: clearance is 40 % higher here."""
    folder = tmp_path_factory.mktemp("ward")
    (folder / "toy.toml").write_text(LEVELS)
    for name in ("early", "later"):
        (folder / name).mkdir()
    rng = np.random.default_rng(4)
    shift = np.log([1.4, 1, 1])
    for number in range(EARLY + LATER):
        phi = shift + np.linalg.cholesky(PUBLISHED.omega) @ rng.standard_normal(len(shift))
        raw = packed(message(f"P{number}", phi + 0.1 * rng.standard_normal(len(shift)), rng))
        (folder / ("early" if number < EARLY else "later") / f"P{number}.npz").write_bytes(raw)
    return folder


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def draft(ward: Path) -> Path:
    file = ward / "toy_ward.toml"
    found = call("fit", ward / "early", "--model", ward / "toy.toml", "--id", "toy_ward", "--out", file)
    assert found.exit_code in (0, 3), found.output
    return file


def test_what_is_true_here_is_learnt(draft: Path) -> None:
    clearance = next(p for p in load_model(draft).parameters if p.name == "CL")
    assert clearance.value == pytest.approx(8.4, rel=0.15)
    assert clearance.source is not None
    assert clearance.source.startswith(f"learnt by maximum likelihood from messages of {EARLY} patients")


@pytest.mark.parametrize("command", ["fit", "judge"])
def test_how_records_are_read_is_refused_where_none_are_named(command: str, ward: Path, draft: Path) -> None:
    given = {
        "fit": ("fit", ward / "early", "--id", "toy_more", "--out", ward / "toy_more.toml"),
        "judge": ("judge", draft, ward / "later"),
    }[command]
    found = call(*given, "--model", ward / "toy.toml", "--columns", "DV=CONC", "--where", "SET=1")
    assert found.exit_code == 2
    assert "--columns, --where: how records are read, and there are none to read; name their files with" in " ".join(
        found.output.split()
    )
    assert not (ward / "toy_more.toml").exists()


@pytest.mark.parametrize("command", ["fit", "widen", "step"])
def test_no_version_takes_the_id_or_the_file_of_the_published_model(command: str, ward: Path) -> None:
    own, common, text = ward / "own.json", ("--model", ward / "toy.toml"), (ward / "toy.toml").read_text()
    call("sums", ward / "early", *common, "--out", own)
    given: dict[str, tuple[str | Path, ...]] = {
        "fit": ("fit", ward / "early", *common, "--out"),
        "widen": ("widen", ward / "toy.toml", "--out"),
        "step": ("step", own, *common, "--out", ward / "there.json", "--draft"),
    }
    same = call(*given[command], ward / "mine.toml", "--id", "toy_levels")
    assert (same.exit_code, "--id toy_levels: is the id of the published model" in same.output) == (2, True)
    over = call(*given[command], ward / "toy.toml", "--id", "toy_mine")
    assert over.exit_code == 2
    assert "toy.toml: is there already, and no version that was learnt; name another" in " ".join(over.output.split())
    assert (ward / "toy.toml").read_text() == text
    assert not (ward / "mine.toml").exists()


def test_a_site_counts_once_and_what_is_wrong_with_a_file_names_it(ward: Path) -> None:
    common, at = ("--model", ward / "toy.toml"), ward / "once"
    at.mkdir()
    call("sums", ward / "early", *common, "--out", at / "a.json")
    (at / "b.json").write_bytes((at / "a.json").read_bytes())
    (at / "no.json").write_text("{}")
    for other, named in (
        ("a.json", "a.json: has the sums in"),
        ("b.json", "b.json: has the sums in"),
        ("no.json", "no.json: format: is not 3"),
        ("gone.json", "gone.json: No such file or directory; check the path"),
    ):
        found = call("step", at / "a.json", at / other, *common, "--out", at / "next.json")
        assert (found.exit_code, named in "".join(found.output.split("\n"))) == (2, True), found.output
    lost = call("sums", ward / "early", *common, "--out", at / "no" / "a.json")
    assert (lost.exit_code, "name a file in a folder that is there" in lost.output) == (2, True)
    strange = call("sums", ward / "early", *common, "--at", at / "no.json", "--out", at / "c.json")
    assert (strange.exit_code, "no.json: theta: must have" in strange.output) == (2, True)
    assert not (at / "next.json").exists()


def test_errors_beside_a_prior_are_said_to_be_without_it(ward: Path) -> None:
    known = "".join(f"[{name}]\nse = {0.1 * value}\niiv_se = 0.02\n" for name, value in TYPICAL)
    (ward / "known.toml").write_text(known)
    common = ("fit", ward / "early", "--model", ward / "toy.toml", "--id")
    for name, options in (("toy_known", ("--prior", ward / "known.toml")), ("toy_bare", ("--prior", "none"))):
        found = call(*common, name, "--out", ward / f"{name}.toml", *options)
        assert found.exit_code in (0, 3), found.output
        assert ("what these patients tell alone, without --prior" in found.output) is (name == "toy_known")


def test_records_that_are_named_as_messages_are_said_to_be_none(ward: Path) -> None:
    (ward / "levels.csv").write_text("ID,TIME,DV\n1,0,1\n")
    found = call("fit", ward / "levels.csv", "--model", ward / "toy.toml", "--id", "x", "--out", ward / "x.toml")
    assert found.exit_code == 2
    assert "levels.csv: is no message of a twin, or a damaged one; 'dosetwin replay' makes them" in found.output
    assert "pickle" not in found.output


def test_nobody_is_asked_for_a_passphrase_of_what_cannot_be_signed(ward: Path, draft: Path) -> None:
    signing = ("--key", ward / "gone.key", "--reviewer", "A", "--releases", ward)
    early = call("release", draft, *signing)
    assert (early.exit_code, "is draft, and not accepted" in early.output) == (2, True), early.output
    assert "Passphrase" not in early.output


def test_sites_that_share_sums_learn_the_same_to_the_last_bit(ward: Path, draft: Path) -> None:
    """Two sites, of which neither says a particle, take the steps that one site with all patients takes."""
    files = sorted((ward / "early").glob("*.npz"))
    common = ("--model", ward / "toy.toml")
    at: list[str | Path] = []
    for number in range(4):
        for site, own in (("a", files[::2]), ("b", files[1::2]), ("all", files)):
            found = call("sums", *own, *common, "--out", ward / f"{site}.json", *at)
            assert found.exit_code == 0, found.output
        order = ("b", "a") if number % 2 else ("a", "b")
        found = call("step", *(ward / f"{site}.json" for site in order), *common, "--out", ward / "next.json")
        alone = call("step", ward / "all.json", *common, "--out", ward / "alone.json")
        assert found.exit_code == alone.exit_code == 0, found.output
        assert (ward / "next.json").read_bytes() == (ward / "alone.json").read_bytes()
        at = ["--at", ward / "next.json"]
    assert found.output.startswith(f"{EARLY} patients, ")
    sums = ward / "sums" / "s.toml"
    sums.parent.mkdir()
    for name in ("toy_sums", "toy.v2"):
        written = call("step", ward / "a.json", *common, "--out", ward / "n", "--draft", sums, "--id", name)
        assert written.exit_code == (0 if name == "toy_sums" else 2), written.output
    assert load_model(sums).id == "toy_sums"
    alone = call("judge", sums, ward / "later", *common)
    assert "was learnt from sums; each site answers with sums too" in " ".join(alone.output.split())
    assert draft.is_file()


def test_sites_judge_together_as_one_site_of_everybody_would_to_the_last_bit(ward: Path, draft: Path) -> None:
    """Two sites with later patients of their own; a third that has all of them."""
    common, files = ("--model", ward / "toy.toml"), sorted((ward / "later").glob("*.npz"))
    call("widen", ward / "toy.toml", "--id", "toy_wide", "--out", ward / "wide.toml")
    said = {"a": files[::2], "b": files[1::2], "all": files}
    for site in ("a", "b", "all"):
        (ward / site).mkdir()
        (ward / site / "joint.toml").write_text(draft.read_text())
        version = read_version(load_model(draft), draft)
        (ward / site / "joint.version.toml").write_text(replace(version, patients=()).as_toml())

    def answered(site: str, *more: str | Path) -> Result:
        at = ward / site
        rest = ("--summed", ward / "early", "--out", at / "answer.json")
        return call("answer", at / "joint.toml", ward / "early", *(more or said[site]), *common, *rest)

    few = answered("a", *files[:4])
    assert (few.exit_code, "patients: 4, and a sum over fewer than 5 tells of one" in few.output) == (2, True)
    for site, own in said.items():
        found = answered(site)
        assert (found.exit_code, f"sums over {len(own)} patients" in found.output) == (0, True), found.output
        told = (ward / site / "answer.json").read_text()
        assert not [who for who in map(fingerprint, PATIENTS) if who in told], "of nobody"
    first = (ward / "a" / "answer.json").read_bytes()
    again = answered("a", ward / "later")
    assert (again.exit_code, "and that answer stands, whoever is named now" in again.output) == (0, True)
    assert (ward / "a" / "answer.json").read_bytes() == first, "a site answers once about a version"

    joint = {}
    for order in (("a", "b"), ("b", "a"), ("all",)):
        sites = [ward / site / "answer.json" for site in order]
        found = call("verdict", ward / order[0] / "joint.toml", *sites, *common)
        assert found.exit_code == 0, found.output
        account = ward / order[0] / "toy_levels.judged.toml"
        joint[order] = found.output.splitlines()[:2], account.read_text()
    assert joint["a", "b"][1] == joint["b", "a"][1], "the order of sites changes no bit"
    assert joint["a", "b"][0] == joint["b", "a"][0] == joint["all",][0], "as one site of everybody"
    totals = [[line for line in text.splitlines() if line.startswith("total")] for _, text in joint.values()]
    assert totals[0] == totals[1] == totals[2]
    at = ward / "a" / "joint.toml"
    assert 'state = "reviewed"' in (ward / "a" / "joint.version.toml").read_text()
    missing = " ".join(call("verdict", at, ward / "a" / "answer.json", *common).output.split())
    assert "1 of the 2 who judged toy_ward before are missing" in missing
    named_twice = call("verdict", at, *[ward / "a" / "answer.json"] * 2, *common)
    assert (named_twice.exit_code, "is named twice" in named_twice.output) == (2, True), named_twice.output
    (ward / "again.json").write_bytes(first)
    twice = call("verdict", at, ward / "a" / "answer.json", ward / "again.json", ward / "b" / "answer.json", *common)
    assert (twice.exit_code, "name each site's once" in " ".join(twice.output.split())) == (2, True)
    other = " ".join(
        call("verdict", at, ward / "a" / "answer.json", *common, "--against", ward / "wide.toml").output.split()
    )
    assert "is about toy_ward against toy_levels, and other texts than toy_ward and toy_wide are here" in other


def test_a_version_is_released_when_later_patients_accepted_it(ward: Path, draft: Path) -> None:
    releases = ward / "releases"
    releases.mkdir(mode=0o755)
    public = new_key(ward / "reviewer.key", "a long passphrase")
    (releases / "reviewers.toml").write_text(f'[reviewers]\n"A. Reviewer" = "{public}"\n')
    signing = ("release", draft, "--key", ward / "reviewer.key", "--reviewer", "A. Reviewer", "--releases", releases)
    early = call(*signing, "--passphrase", "a long passphrase")
    assert early.exit_code == 2
    assert "is draft, and not accepted: it was not judged" in early.output
    common = ("--model", ward / "toy.toml")
    again = call("judge", draft, ward / "early", *common)
    assert "was learnt from all of these 40 patients; judge by later ones" in again.output
    first = sorted((ward / "later").glob("*.npz"))[:10]
    judged = call("judge", draft, *first, *common)
    assert (judged.exit_code, "10 patients judged, at least 20 must" in judged.output) == (3, True), judged.output
    fewer = call("judge", draft, *first[1:], *common)
    assert "1 of the 10 who judged toy_ward before are missing" in " ".join(fewer.output.split())
    judged = call("judge", draft, ward / "early", ward / "later", *common)
    assert judged.exit_code == 0, judged.output
    assert f"{LATER} patients: better by" in judged.output
    assert f"of {LATER} patients, accepted from 20 on" in judged.output
    account = ward / "toy_levels.judged.toml"
    kept, said = account.read_bytes(), (ward / "toy_ward.version.toml").read_bytes()
    account.unlink()
    call("judge", draft, ward / "later", ward / "early", *common)
    assert (account.read_bytes(), (ward / "toy_ward.version.toml").read_bytes()) == (kept, said), "in any order"
    second = call("fit", *first, "--model", ward / "toy.toml", "--id", "second", "--out", ward / "second.toml")
    assert second.exit_code in (0, 3), second.output
    once = " ".join(call("judge", ward / "second.toml", ward / "later", ward / "early", *common).output.split())
    assert "judged or taught a version before, which counts once; judge by later ones" in once
    account.write_bytes(kept + b"\n")
    altered = " ".join(call(*signing, "--passphrase", "a long passphrase").output.split())
    assert "is not what toy_ward was accepted by" in altered
    account.write_bytes(kept)
    signed = call(*signing, "--passphrase", "a long passphrase")
    assert signed.exit_code == 0, signed.output
    note = open_releases(releases).check(load_model(draft)).note
    assert "running log likelihood ratio" in note
    assert f"of {LATER} later patients" in note
    assert (releases / "toy_ward.evidence.toml").read_bytes() == kept
    assert 'state = "released"' in (ward / "toy_ward.version.toml").read_text()
    draft_text = draft.read_text()
    draft.write_text(draft_text.replace("unconfirmed", "# touched\nunconfirmed"))
    assert "is of another text than" in call("judge", draft, ward / "later", *common).output
    draft.write_text(draft_text)


def test_the_newest_messages_of_a_ward_are_collected_but_of_who_was_erased(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, key = f"l{uuid.uuid4().hex[:8]}.", tmp_path / "master.key"
    key.write_text(base64.b64encode(bytes(range(32))).decode())
    key.chmod(0o600)
    common = ("collect", "--out", tmp_path / "out", "--kafka", kafka, "--prefix", prefix)
    assert "DOSETWIN_KEYS_STORE is not set" in call(*common).output
    monkeypatch.setenv("DOSETWIN_KEYS_STORE", str(tmp_path / "keys"))
    assert "is set without its master key" in call(*common).output
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER_FILE", str(key))
    create_store(tmp_path / "keys", master_key(load_settings(KeySettings)))
    keys = patient_keys()
    assert keys is not None
    ensure_topics(kafka, prefix, 4, [POSTERIORS])
    rng, producer = np.random.default_rng(1), open_producer(kafka)
    for patient in ("A", "B", "A"):
        last = message(patient, rng.standard_normal(3), rng)
        event = sealed(last, datetime(2026, 3, 1, tzinfo=UTC), keys)
        assert event is not None
        partition = home_partition(patient.encode(), 4)
        producer.send(prefix + POSTERIORS, encode(event), key=patient.encode(), partition=partition)
    producer.flush()
    producer.close()
    keys.destroy("B")
    found = call(*common)
    assert found.exit_code == 3, found.output
    assert "patient B: the patient's key was destroyed" in found.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["A.npz"]
    assert (tmp_path / "out" / "A.npz").read_bytes() == packed(last)


def test_a_wide_version_is_written(ward: Path) -> None:
    found = call("widen", ward / "toy.toml", "--id", "toy_wide", "--out", ward / "wider.toml")
    assert "variances times 2" in found.output
    assert np.allclose(load_model(ward / "wider.toml").omega, 2 * PUBLISHED.omega)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["fit", "nowhere", "--out", "x.toml", "--id", "x"], "nowhere: is not there"),
        (["fit", "empty", "--out", "x.toml", "--id", "x"], "empty: has no message of a twin"),
        (["fit", "early", "early", "--out", "x.toml", "--id", "x"], "P0 has a message in"),
        (["fit", "early", "--out", "x.toml", "--id", "x", "--hold", "XY"], "hold: XY has no iiv"),
        (["fit", "early", "--out", "x.toml", "--id", "x", "--learn", "WT"], "toy_levels has toxin_plasma, marker"),
        (["fit", "early", "--out", "x.toml", "--id", "x", "--learn", "marker"], "error of marker is not told by"),
        (["fit", "early", "--out", "x.toml", "--id", "x", "--prior", "stated"], "CL.se: is missing"),
        (["fit", "early", "--out", "gone/x.toml", "--id", "x"], "name a file in a folder that is there"),
        (["sums", "early/P0.npz", "--out", "x.json"], "tells of one; wait for more"),
        (["sums", "early", "--out", "x.json", "--at", "bad.json"], "theta: must have 'mean'"),
        (["step", "bad.json", "--out", "x.json"], "format: is not 3"),
        (["judge", "toy.toml", "later", "--subgroup", "WT<80"], "'dosetwin learn fit' writes it beside the draft"),
        (["verdict", "toy.toml", "bad.json"], "'dosetwin learn fit' writes it beside the draft"),
        (["judge", "toy.toml", "later"], "'dosetwin learn fit' writes it beside the draft"),
    ],
)
def test_what_cannot_be_used_is_named(
    ward: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], named: str
) -> None:
    monkeypatch.chdir(ward)
    Path("empty").mkdir(exist_ok=True)
    Path("bad.json").write_text(json.dumps({}))
    found = call(*words, "--model", "toy.toml")
    assert found.exit_code == 2
    assert named in " ".join(found.output.split())
