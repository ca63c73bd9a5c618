from __future__ import annotations

import base64
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import twin.library
from connectors.releases import ENDING, REVIEWERS, sign
from connectors.settings import Settings
from streams.commands.live.worker import prepare
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import PatientState
from streams.worker.twin_factory import LibraryTwins, UnknownModel, twin_factory
from tests.faults.next_version import NEXT, model_named, next_text
from tests.streams.worker.stage import START, enrolment, lab
from tests.twin.bedside import PATIENT, clock, dose, level
from tests.twin.population.mixture.mixtures import eliminated
from twin.events import Estimate, InputEvent, encode, to_millis
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.steps import finished

MODEL = "docetaxel_ozawa2007"


@pytest.mark.parametrize(
    ("model_id", "particles"),
    [(MODEL, 100), pytest.param(f"{MODEL},docetaxel_kloft2006_netterberg2017", 64, id="rivals")],
)
def test_a_twin_of_the_library_goes_through_desk_and_row(model_id: str, particles: int) -> None:
    processor = EventProcessor(LibraryTwins(particles=particles))
    events = [enrolment("A", model=model_id), lab("A", 1500, value=4.0), lab("A", 3000, value=3.5)]
    arrivals = [
        ReceivedEvent(event, KafkaRecord("t", 0, offset, to_millis(START), None, encode(event)))
        for offset, event in enumerate(events)
    ]
    whole, parts = processor.open("A", None), processor.open("A", None)
    outcome = processor.handle(whole, arrivals)
    assert outcome.rejected == []
    assert outcome.ess
    processor.handle(parts, arrivals[:2])
    parts = processor.open("A", processor.row(parts))
    assert parts.quarantined is None
    processor.handle(parts, arrivals)
    assert processor.row(parts) == processor.row(whole)


@pytest.mark.slow
def test_a_version_of_a_model_beside_the_old_one_leaves_the_old_ones_patients_as_they_were(tmp_path: Path) -> None:
    beside = tmp_path / f"{NEXT}.toml"
    beside.write_text(next_text(), encoding="utf-8")
    before = EventProcessor(LibraryTwins(particles=64))
    after = EventProcessor(LibraryTwins(particles=64, model_files={NEXT: beside}))

    def told(processor: EventProcessor, row: bytes | None, *events: InputEvent) -> tuple[PatientState, Outcome]:
        state = processor.open(events[0].patient_id, row)
        offset = max(state.applied.values(), default=-1) + 1
        arrivals = [
            ReceivedEvent(event, KafkaRecord("t", 0, offset + number, to_millis(START), None, encode(event)))
            for number, event in enumerate(events)
        ]
        return state, processor.handle(state, arrivals)

    old, _ = told(before, None, enrolment("A", model=MODEL), lab("A", 1500, value=4.0))
    row = before.row(old)
    stayed, upgraded = (told(each, row, lab("A", 3000, value=3.5))[0] for each in (before, after))
    assert after.row(upgraded) == before.row(stayed)
    again, refused = told(after, after.row(upgraded), enrolment("A", model=NEXT, at=START + timedelta(days=1)))
    assert [letter.reason for letter in refused.rejected] == ["already_enrolled"]
    assert (again.model_id, again.twin is not None and again.twin.row()) == (MODEL, upgraded.saved)
    new, taken = told(after, None, enrolment("B", model=NEXT), lab("B", 1500, value=4.0))
    assert (new.model_id, new.model_hash, taken.rejected) == (NEXT, model_named(NEXT).hash, [])
    assert told(before, after.row(new), lab("B", 3000))[0].trouble == "model_changed", "the old version knows it not"


@pytest.mark.parametrize(
    "model_id",
    [
        "unheard_of",
        f"{MODEL},unheard_of",
        f"{MODEL},{MODEL}",
        f"{MODEL},fluorouracil_yamada2025",
        ",",
        "",
        "../twin/library/docetaxel_ozawa2007.toml",
        "/etc/passwd",
        "a b",
    ],
)
def test_a_model_that_is_no_id_of_the_library_is_unknown(model_id: str) -> None:
    twins = LibraryTwins(particles=100)
    with pytest.raises(UnknownModel):
        twins(model_id, "A")
    with pytest.raises(UnknownModel):
        twins.model_hash(model_id)


def test_a_model_file_that_the_operator_named_is_known(tmp_path: Path) -> None:
    library = Path(next(iter(twin.library.__path__)))
    copy = tmp_path / "ours.toml"
    copy.write_text((library / f"{MODEL}.toml").read_text())
    twins = LibraryTwins(particles=100, model_files={"ours": copy})
    assert twins.model_hash("ours") == twins.model_hash(MODEL)
    with pytest.raises(UnknownModel):
        LibraryTwins(particles=100).model_hash("ours")


def test_a_file_of_classes_that_nobody_sees_is_followed_kept_and_moves_to_a_version(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(eliminated().text)
    newer = eliminated().text.replace("slow = 0.4, fast = 0.6", "slow = 0.3, fast = 0.7")
    (tmp_path / "newer.toml").write_text(newer.replace('id = "made"', 'id = "newer"'))
    twins = LibraryTwins(50, {"made": tmp_path / "mine.toml", "newer": tmp_path / "newer.toml"})
    twin = twins("made", PATIENT)
    events: list[InputEvent] = [dose(0.0, 100.0, route="iv"), level(5.0, 1.9, analyte="plasma"), clock(30)]
    (*_, last) = (one for one in finished(twin.observing(events)).outputs if isinstance(one, Estimate))
    assert last.model_hash == twins.model_hash("made")
    assert sum((last.class_probability or {}).values()) == pytest.approx(1.0)
    row = twin.row()
    assert twins.restore("made", row).row() == row
    moved, _ = finished(twins.moving(row, "made", "newer", level=True))
    (*_, next_) = (one for one in finished(moved.observing([clock(60)])).outputs if isinstance(one, Estimate))
    assert next_.model_hash == twins.model_hash("newer") != twins.model_hash("made")
    assert next_.class_probability not in (None, last.class_probability)


def test_only_the_models_asked_for_are_compiled_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def compiling(model: Model) -> Kernel:
        compiled.append(model.id)
        return compile_model(model)

    monkeypatch.setattr("twin.patient.model_fold.compile_model", compiling)
    LibraryTwins(particles=100).compile([])
    assert compiled == []
    LibraryTwins(particles=100).compile([MODEL])
    assert set(compiled) == {MODEL}


def test_a_twin_factory_is_named_by_module_and_name() -> None:
    assert twin_factory("streams.worker.twin_factory:LibraryTwins") is LibraryTwins


@pytest.mark.parametrize(
    "path", ["", "streams.worker.twin_factory", "streams.worker.twin_factory:Nobody", "no.such.module:Twins"]
)
def test_a_twin_factory_that_is_not_there_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected 'module:name' of a twin factory"):
        twin_factory(path)


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """A folder of releases with one of the fluorouracil model."""
    folder, key = tmp_path / "releases", Ed25519PrivateKey.generate()
    folder.mkdir(mode=0o755)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    (folder / REVIEWERS).write_text(f'[reviewers]\nA = "{public}"\n')
    (folder / REVIEWERS).chmod(0o644)
    release = sign(load_model("fluorouracil_yamada2025"), key, "A", date(2026, 3, 1), "held against the paper")
    (folder / f"{release.model}{ENDING}").write_text(release.as_toml())
    return folder


def test_in_clinical_mode_a_model_that_nobody_reviewed_is_refused_and_a_released_one_is_used(releases: Path) -> None:
    factory = LibraryTwins(particles=64, clinical=releases)
    assert factory.model_hash("fluorouracil_yamada2025") == load_model("fluorouracil_yamada2025").hash
    processor = EventProcessor(factory)
    event = enrolment("A", model=MODEL)
    arrival = ReceivedEvent(event, KafkaRecord("t", 0, 0, to_millis(START), None, encode(event)))
    (rejected,) = processor.handle(processor.open("A", None), [arrival]).rejected
    assert rejected.reason == "unknown_model"
    assert f"{MODEL}: nobody reviewed it: no " in rejected.detail
    with pytest.raises(UnknownModel, match="nobody reviewed it"):
        factory.model_hash(f"fluorouracil_yamada2025,{MODEL}")


def test_in_clinical_mode_a_file_that_is_not_the_reviewed_one_is_refused(releases: Path, tmp_path: Path) -> None:
    name = "fluorouracil_yamada2025"
    edited = tmp_path / f"{name}.toml"
    edited.write_text(load_model(name).text + "# edited\n", encoding="utf-8")
    factory = LibraryTwins(particles=64, clinical=releases, model_files={name: edited})
    with pytest.raises(UnknownModel, match="is not the one that A reviewed on 2026-03-01"):
        factory.model_hash(name)


@pytest.mark.parametrize(
    ("ready", "named", "said"),
    [
        ([MODEL], {}, f"--ready: model '{MODEL}': {MODEL}: nobody reviewed it"),
        ([], {MODEL: Path(twin.library.__path__[0]) / f"{MODEL}.toml"}, "--model: .* nobody reviewed it"),
    ],
)
def test_in_clinical_mode_a_worker_does_not_start_with_a_model_that_nobody_reviewed(
    releases: Path, ready: list[str], named: dict[str, Path], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        prepare(Settings(), "streams.worker.twin_factory:LibraryTwins", named, ready, clinical=releases)


def test_clinical_mode_without_a_folder_of_releases_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the folder of releases"):
        LibraryTwins(particles=64, clinical=tmp_path / "gone")
