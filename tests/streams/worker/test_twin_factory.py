from __future__ import annotations

from pathlib import Path

import pytest

import twin.library
from streams.worker.engine import RecordPosition
from streams.worker.processor import EventProcessor
from streams.worker.records.received import ReceivedEvent
from streams.worker.twin_factory import LibraryTwins, UnknownModel, twin_factory
from tests.streams.worker.stage import START, enrolment, lab
from twin.events import encode, to_millis
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model

MODEL = "docetaxel_ozawa2007"


@pytest.mark.parametrize(
    ("model_id", "particles"),
    [(MODEL, 100), pytest.param(f"{MODEL},docetaxel_kloft2006_netterberg2017", 64, id="rivals")],
)
def test_a_twin_of_the_library_goes_through_desk_and_row(model_id: str, particles: int) -> None:
    processor = EventProcessor(LibraryTwins(particles=particles))
    events = [enrolment("A", model=model_id), lab("A", 1500, value=4.0), lab("A", 3000, value=3.5)]
    arrivals = [
        ReceivedEvent(event, RecordPosition("t", 0, offset, to_millis(START)), encode(event))
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
