"""Each source is looked at: what it needs to be read, what it told, and whether its way in is open."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connectors.facts.memory import Memory, Told
from connectors.listeners.doorplate import Plate, doorplate
from connectors.webhooks import new_secret
from streams.doctor import sources
from streams.doctor.finding import Finding
from streams.doctor.sources import check_sources
from twin.events import LabResult

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
PROFILE = 'id = "{}"\nprotocol = "{}"\nmode = "real"\n'
EVENT = LabResult.example()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", "k" * 20)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "memory"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def address() -> Iterator[str]:
    """Where somebody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def found(folder: Path | None, memory: Path) -> dict[str, Finding]:
    return {one.subject: one for one in check_sources(folder, memory, NOW)}


def profile(folder: Path, source: str = "lab-east", protocol: str = "hl7") -> Path:
    path = folder / f"{source}.toml"
    path.write_text(PROFILE.format(source, protocol))
    return path


def certificate(folder: Path, days: float) -> Path:
    made = trustme.CA().issue_cert("ward.example", not_after=NOW + timedelta(days=days))
    path = folder / f"ward-{days}.pem"
    made.cert_chain_pems[0].write_to_path(path)
    return path


def test_where_nothing_is_configured_nothing_is_said(tmp_path: Path) -> None:
    assert found(None, tmp_path / "none") == {}


def test_a_source_that_is_heard_is_well(tmp_path: Path, memory: Path, address: str) -> None:
    profile(tmp_path)
    ours = str(certificate(tmp_path, 31))
    told = Memory(memory / "lab-east.sqlite")
    told.heard(NOW - timedelta(seconds=5))
    told.put(("order", "1"), Told(1, "final", "digest", EVENT), (EVENT,))  # on its way to Kafka
    told.keep(b"refused")
    with doorplate(memory, Plate("mllp", address, ("lab-east",), (ours,))):
        looked = found(tmp_path, memory)
    told.close()
    assert all(one.well for one in looked.values())
    assert looked["source lab-east"].seen == "lab-east.toml, hl7, of real patients, pseudonyms by a key"
    assert looked["memory"].seen == f"{memory}, its user's alone"
    assert looked[f"way in mllp {address}"].seen == "answers, for lab-east"
    assert looked[f"certificate {ours}"].seen == "ends on 2026-04-02, in 31 days"
    assert looked["memory of lab-east"].seen == (
        "newest message at 2026-03-02 07:59:55Z, 1 kept of which something was refused ('dosetwin listen again' reads "
        "them once more), 1 events not yet in Kafka"
    )


def test_profiles_and_tokens_that_cannot_be_used_are_named(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text(PROFILE.format("a", "morse"))
    (tmp_path / "b.toml").write_text("[[token]]\nsource = 1\n")
    (tmp_path / "c.toml").write_text(f'[[token]]\nsource = "c"\nsha256 = "{"0" * 64}"\nprofile = "gone.toml"\n')
    (tmp_path / "d.toml").write_text(f'[[token]]\nsource = "d"\nsha256 = "{"0" * 64}"\n')
    (tmp_path / "e.toml").write_text('[[webhook]]\nsource = "e"\nsecrets = "DOSETWIN_WEBHOOK_E"\n')
    profile(tmp_path, "lab-east")
    (tmp_path / "lab-west.toml").write_text(PROFILE.format("lab-east", "hl7"))
    (tmp_path / "table.toml").write_text(PROFILE.format("t", "fhir") + '[patients]\ntable = "gone.csv"\n')
    looked = found(tmp_path, memory)
    wrong = {name for name, one in looked.items() if not one.well}
    tokens = {"tokens b.toml", "tokens c.toml", "tokens e.toml"}
    assert wrong == tokens | {"profile a.toml", "profile lab-west.toml", "profile table.toml"}
    assert "field 'protocol'" in looked["profile a.toml"].seen
    assert "gone.toml" in looked["tokens c.toml"].seen
    assert looked["tokens d.toml"].seen == "of d"
    assert "variable DOSETWIN_WEBHOOK_E: no secret" in looked["tokens e.toml"].seen
    monkeypatch.setenv("DOSETWIN_WEBHOOK_E", new_secret())
    assert found(tmp_path, memory)["tokens e.toml"].seen == "of e"
    assert "gone.csv" in looked["profile table.toml"].seen
    monkeypatch.delenv("DOSETWIN_PATIENT_KEY")
    assert "set DOSETWIN_PATIENT_KEY" in found(tmp_path, memory)["profile lab-east.toml"].seen
    assert not found(tmp_path / "none", memory)["sources"].well


def test_a_memory_that_others_can_read_and_one_that_is_spoilt_are_named(tmp_path: Path, memory: Path) -> None:
    profile(tmp_path)
    assert found(tmp_path, tmp_path / "none")["memory"].well
    (memory / "lab-east.sqlite").write_bytes(b"\0" * 4096)
    memory.chmod(0o755)
    looked = found(tmp_path, memory)
    assert (looked["memory"].mend, looked["memory of lab-east"].well) == (f"chmod 700 {memory}", False)
    (tmp_path / "file").touch()
    assert not found(tmp_path, tmp_path / "file")["memory"].well


def test_a_memory_that_cannot_be_written_to_is_named(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path)
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.X_OK)  # root may write anywhere
    assert "cannot be written to" in found(tmp_path, memory)["memory"].seen


def test_a_way_in_that_was_killed_or_that_nobody_reaches_is_named(memory: Path, address: str) -> None:
    plate = Plate("mllp", address, ("lab-east",))
    with doorplate(memory, plate):
        ((path, said),) = [(path, path.read_text()) for path in memory.iterdir()]
    path.write_text(said)
    killed = found(None, memory)[f"way in mllp {address}"]
    assert (killed.seen, killed.mend) == (
        "was killed; lab-east is not heard",
        "start 'dosetwin listen mllp' again",
    )
    with doorplate(memory, Plate("http", "127.0.0.1:1", ("lab-east",))):
        assert "nobody answers there" in found(None, memory)["way in http 127.0.0.1:1"].seen
    with doorplate(memory, Plate("fhir", "127.0.0.1:1", ("ehr",))):
        assert found(None, memory)["way in fhir 127.0.0.1:1"].seen == "runs for ehr, but the server does not answer"
    port = address.rpartition(":")[2]
    with doorplate(memory, Plate("http", f"0.0.0.0:{port}", ("lab-east",))):
        assert found(None, memory)[f"way in http 0.0.0.0:{port}"].well


def test_certificates_that_end_soon_or_cannot_be_read_are_named(tmp_path: Path, memory: Path, address: str) -> None:
    files = [certificate(tmp_path, days) for days in (29, -2)]
    with doorplate(memory, Plate("mllp", address, ("a",), (*map(str, files), str(tmp_path / "gone")))):
        looked = [one for name, one in found(None, memory).items() if name.startswith("certificate")]
    assert [one.seen.split(":")[0] for one in looked] == [
        "ends on 2026-03-31, in 29 days",
        "ended on 2026-02-28",
        "cannot be read",
    ]
    assert not any(one.well for one in looked)


def test_what_kafka_does_not_have_of_a_source_that_is_silent_is_named(memory: Path, address: str) -> None:
    told = Memory(memory / "lab-east.sqlite")
    told.heard(NOW - timedelta(seconds=11))
    told.put(("order", "1"), Told(1, "final", "digest", EVENT), (EVENT,))
    with doorplate(memory, Plate("mllp", address, ("lab-east",))):
        assert found(None, memory)["memory of lab-east"].mend.startswith("Kafka does not take them")
    assert found(None, memory)["memory of lab-east"].mend == "start its way in: they go first"
    told.sent([EVENT])
    told.close()
    assert (
        found(None, memory)["memory of lab-east"].seen == "newest message at 2026-03-02 07:59:49Z, all of it in Kafka"
    )


def test_a_source_without_a_way_in_has_its_port_looked_at(
    tmp_path: Path, memory: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(tmp_path, "ehr", "fhir")
    with profile(tmp_path, "other-ehr", "fhir").open("a") as file:
        file.write('server = "https://ehr.example/fhir"\n')
    profile(tmp_path, "lab-east")
    with profile(tmp_path, "pumps").open("a") as file:
        file.write('[mqtt]\ntopic = "ingest/{user}"\n')
    port = int(address.rpartition(":")[2])
    monkeypatch.setattr(sources, "USUAL", {"hl7": ("mllp", port)})
    looked = found(tmp_path, memory)
    assert (looked["way in of ehr"].seen, looked["way in of ehr"].well) == ("none runs", True)
    assert "'dosetwin listen fhir' reads https://ehr.example/fhir" in looked["way in of other-ehr"].seen
    assert "'dosetwin listen mqtt'" in looked["way in of pumps"].seen
    assert looked["way in of lab-east"].mend == "give 'dosetwin listen mllp' another --port"
    with doorplate(memory, Plate("mllp", address, ("lab-west",))):
        assert found(tmp_path, memory)["way in of lab-east"].seen.endswith("give it a --port of its own")
    monkeypatch.setattr(sources, "USUAL", {"hl7": ("mllp", 1)})
    assert found(tmp_path, memory)["way in of lab-east"].seen.endswith("is free")
