"""A patient is erased from real topics, state rows, series and the broker's disk, while everybody else goes on."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.kafka.topics import HEARTBEATS, LABS, TOPICS
from connectors.privacy.cipher import Cipher, NotOpened
from connectors.privacy.letters import opened_letter
from connectors.privacy.master_key import read_master_key
from connectors.privacy.patient_keys import KeyDestroyed, patient_keys
from connectors.services import Influx
from streams.cli import app
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.encrypted_row import opened_row
from streams.worker.rows.erased import erased_key
from streams.worker.rows.state_row import decode_row
from tests.connectors.console.bench import Bench, running
from tests.streams.worker.stage import FAKE_TWINS, Stage, WorkerProcess, enrolment, lab
from twin.events import encode

PATIENCE = 60.0
"""Seconds that what must happen may take on a busy machine."""

STAY = ["stays-1", "stays-2", "stays-3"]


@pytest.fixture
def ward(kafka: str, influx: Influx, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, Bench]]:
    bench = Bench(kafka, influx)
    stage = Stage(kafka, bench.settings.topic_prefix)
    values = {"KAFKA": kafka, "TOPIC_PREFIX": stage.prefix, "PARTITIONS": str(stage.partitions)}
    values |= {f"INFLUX_{name}": getattr(bench.influx, name.lower()) for name in ("URL", "TOKEN", "ORG", "BUCKET")}
    for name, value in values.items():
        monkeypatch.setenv(f"DOSETWIN_{name}", value)
    yield stage, bench
    stage.close()
    bench.close()


def eventually(condition: Callable[[], bool], shown: Callable[[], object] = str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"did not happen: {shown()}"
        time.sleep(0.2)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["patient", *arguments])


def everything(stage: Stage) -> list[Any]:
    topics = [*(stage.prefix + topic for topic in TOPICS), changelog_of(stage.settings)]
    return [record for topic in topics for record in stage.records(topic)]


def known(stage: Stage, patient: str) -> list[tuple[int, str, float]]:
    row = [r for r in stage.records(changelog_of(stage.settings)) if r.key == patient.encode()][-1]
    return [(entry[0], entry[2], entry[3]) for entry in json.loads(decode_row(row.value).twin)["history"]]


def on_disk(storage: Path, prefix: str, word: str) -> list[Path]:
    """The files of the topics that hold the word."""
    found = []
    for path in [path for folder in storage.glob(f"{prefix}*") for path in folder.iterdir()]:
        with contextlib.suppress(FileNotFoundError):  # deleted just now
            found += [path] if word.encode() in path.read_bytes() else []
    return found


def test_nothing_of_an_erased_patient_is_found_again_and_all_others_go_on(
    ward: tuple[Stage, Bench], tmp_path: Path, run_state: Path
) -> None:
    stage, bench = ward
    gone = f"gone-{uuid.uuid4().hex[:8]}"
    patients = [*STAY, gone]
    stage.play([enrolment(patient) for patient in patients])
    stage.play(lab(patient, minute, 0.3 if minute == 2 else 3.0) for minute in (1, 2, 3) for patient in patients)
    stage.play([lab(gone, 4, unit="furlong")])
    stage.send(LABS, "stays-1", encode(lab(gone, 5))).get(60)
    stage.send(LABS, None, f'no event, but of "{gone}"'.encode()).get(60)
    with WorkerProcess(stage, tmp_path / "first.log") as worker:
        stage.wait_until_committed(PATIENCE)
        busy = run("erase", gone)
        assert (busy.exit_code, "stop them first" in busy.output) == (1, True)
        assert worker.stop() == 0
    told = len(stage.estimates()) + len(stage.alerts()) + len(stage.rejected())
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] >= told)
        held = run("erase", gone)
        assert (held.exit_code, "stop it first" in held.output) == (1, True)
    assert bench.rows("health", gone)
    stays = {patient: len(bench.rows("health", patient)) for patient in STAY}
    letters = len(bench.rows("rejected", stage.prefix + LABS))
    stage.play(lab(patient, 6) for patient in patients)  # nobody has read these yet
    times = {record.value: record.timestamp for record in stage.records(stage.prefix + LABS)}

    result = run("erase", gone)
    assert result.exit_code == 0, result.output
    proof = json.loads(result.stdout)
    found = {one["topic"].removeprefix(stage.prefix) for one in proof["topics_before"] if one["about"]}
    assert found == {"clinical.labs", "twin.commands", "twin.estimates", "twin.alerts", "twin.rejected"} | {
        changelog_of(stage.settings).removeprefix(stage.prefix)
    }
    searched = {(one["topic"], one["partition"]) for one in proof["topics_after"]}
    assert len(searched) == (len(TOPICS) + 1) * stage.partitions
    assert not any(one["about"] for one in proof["topics_after"])
    assert proof["series"]["before"]["health"] > 0
    assert proof["series"]["before"]["rejected"] == 2
    assert (proof["series"]["after"], proof["left"]) == ({}, [])
    assert gone not in result.stdout, "the proof itself names nobody"
    records = everything(stage)
    assert not [record for record in records if gone.encode() in (record.key or b"") + (record.value or b"")]
    assert [record.key for record in records].count(erased_key(gone.encode())) == 1
    kept = {record.value: record.timestamp for record in stage.records(stage.prefix + LABS)}
    assert kept == {value: at for value, at in times.items() if value in kept}, "each keeps its time of arrival"
    assert not bench.rows("health", gone)
    assert {patient: len(bench.rows("health", patient)) for patient in STAY} == stays
    assert len(bench.rows("rejected", stage.prefix + LABS)) == letters - 2

    # Life goes on: what was not read before is, once; and the patient's events are refused without a word of it.
    estimates = len(stage.estimates())
    stage.play([lab(gone, 7), *(lab(patient, 8) for patient in STAY)])
    with WorkerProcess(stage, tmp_path / "second.log") as worker:
        stage.wait_until_committed(PATIENCE)
        assert worker.stop() == 0
    assert [letter.reason for letter in stage.rejected()] == ["erased"]
    assert len(stage.estimates()) == estimates + 2 * len(STAY)
    with running(bench):
        eventually(lambda: all(len(bench.rows("health", patient)) == stays[patient] + 2 for patient in STAY))
    assert all(len(known(stage, patient)) == 6 for patient in STAY)
    assert not [beat for beat in stage.records(stage.prefix + HEARTBEATS) if gone.encode() in beat.value]
    for command in (["reenrol", gone], ["rebuild", gone, "--twins", FAKE_TWINS]):
        back = run(*command)
        assert back.exit_code == 1
    assert "was erased" in run("reenrol", gone).output

    again = json.loads(run("erase", gone).stdout)
    assert [one["topic"] for one in again["topics_before"] if one["about"]] == [stage.prefix + LABS]
    assert again["left"] == []
    storage = run_state.parent / "servers0" / "kafka" / "storage"
    if storage.is_dir():  # a broker of the tests' own
        eventually(lambda: not on_disk(storage, stage.prefix, gone), lambda: on_disk(storage, stage.prefix, gone))


PIECE = 48
"""Bytes of a row's plaintext that are searched for: more than any event on the topics has in common with it."""

WITHOUT_KEYS = {"DOSETWIN_KEYS_STORE": "", "DOSETWIN_KEYS_MASTER_FILE": ""}


def pieces_of(row: bytes) -> list[bytes]:
    """What stands in a fake twin's row and nowhere else: its history as the twin keeps it."""
    twin = decode_row(row).twin
    begin = twin.index(b'"history"')
    return [twin[at : at + PIECE] for at in range(begin, begin + 5 * PIECE, PIECE)]


def seen(contents: dict[str, bytes], pieces: list[bytes]) -> list[str]:
    return [place for place, content in contents.items() if any(piece in content for piece in pieces)]


def disks(storage: Path, stage: Stage, worker: WorkerProcess | None = None) -> dict[str, bytes]:
    """The files of the broker under the stage's prefix, and what a worker has open on its disk, also without a name."""
    found = {}
    for path in [path for folder in storage.glob(f"{stage.prefix}*") for path in folder.iterdir()]:
        with contextlib.suppress(FileNotFoundError):
            found[str(path)] = path.read_bytes()
    for handle in Path(f"/proc/{worker.process.pid}/fd").iterdir() if worker else ():
        with contextlib.suppress(OSError):
            if "/rows-" in str(handle.readlink()):
                found["worker's rows"] = handle.read_bytes()
    assert worker is None or len(found["worker's rows"]) > 4096
    return found


def test_a_row_is_on_no_disk_in_clear_and_with_its_key_gone_nothing_opens_it(
    kafka: str, tmp_path: Path, run_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = run_state.parent / "servers0" / "kafka" / "storage"
    if not storage.is_dir():
        pytest.skip("a broker whose disk is elsewhere")
    store, master = tmp_path / "keys", tmp_path / "master.key"
    for name, value in {"STORE": store, "MASTER_FILE": master}.items():
        monkeypatch.setenv(f"DOSETWIN_KEYS_{name}", str(value))
    assert CliRunner().invoke(app, ["keys", "create"]).exit_code == 0
    open_stage, stage = Stage(kafka), Stage(kafka)
    gone, stays = "gone-1", "stays-1"
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    told = [
        enrolment(gone),
        enrolment(stays),
        lab(gone, 9, unit="furlong"),
        *(lab(who, minute) for minute in (1, 2, 3) for who in (gone, stays)),
    ]
    rows = {}
    for one, keyed in ((open_stage, False), (stage, True)):
        one.play(told)
        with WorkerProcess(one, tmp_path / f"{keyed}.log", environment={} if keyed else WITHOUT_KEYS) as worker:
            one.wait_until_committed(PATIENCE)
            rows[keyed] = one.raw_rows()
            pieces = pieces_of(rows[False][gone])
            places = seen(disks(storage, one, worker), pieces)
            changelog = [place for place in places if "changelog" in place]
            assert (bool(changelog), "worker's rows" in places) == (not keyed, not keyed), places
            assert worker.stop() == 0
    keys = patient_keys()
    assert keys is not None
    assert decode_row(opened_row(rows[True][gone], gone, keys)).twin == decode_row(rows[False][gone]).twin

    (letter,) = stage.rejected()
    assert (letter.original_encrypted, b"furlong" in base64.b64decode(str(letter.original_base64))) == (True, False)
    assert b"furlong" in base64.b64decode(str(opened_letter(letter, keys).original_base64))
    listed = CliRunner().invoke(app, ["rejected", "list", "--json"])
    assert b"furlong" in base64.b64decode(json.loads(listed.stdout)["original_base64"])

    # A worker that is not given the keys stops, and harms nothing; nor is anybody erased without them.
    stage.play([lab(stays, 4)])
    with WorkerProcess(stage, tmp_path / "no.log", environment=WITHOUT_KEYS) as worker:
        assert worker.process.wait(PATIENCE) == 1
        assert "no store of keys is set: name it in DOSETWIN_KEYS_STORE" in worker.text()
    assert (len(stage.rejected()), stage.lag()) == (1, 1)
    with monkeypatch.context() as without:
        for name in WITHOUT_KEYS:
            without.delenv(name)
        refused = run("erase", gone, "--without-influx")
        assert (refused.exit_code, "the patient's row is encrypted" in refused.output) == (1, True), refused.output

    result = run("erase", gone, "--without-influx")
    assert result.exit_code == 0, result.output
    proof = tmp_path / "proof.json"
    proof.write_text(result.stdout)
    assert json.loads(result.stdout)["key_destroyed"]
    verified = run("erased", gone, "--verify", str(proof))
    assert (verified.exit_code, "signed and unchanged" in verified.output) == (0, True), verified.output
    assert run("erased", stays, "--verify", str(proof)).exit_code == 1
    proof.write_text(result.stdout.replace('"left": []', '"left": [ ]').replace('"records": ', '"records": 1'))
    assert "changed after it was signed" in run("erased", "--verify", str(proof)).output
    assert run("erased", gone).output.startswith(f"{gone}: key destroyed 20")
    assert run("erased", stays).exit_code == 1

    # A copy of the changelog that somebody kept, the store as it is now and the master key: nothing decrypts.
    keys = patient_keys()
    assert keys is not None
    with pytest.raises(KeyDestroyed):
        opened_row(rows[True][gone], gone, keys)
    assert opened_letter(letter, keys).original_encrypted
    for cipher in (keys.cipher(stays), Cipher.of(read_master_key(master)), Cipher.of(keys.derived("wrap"))):
        with pytest.raises(NotOpened):
            cipher.opened(b"row 0 gone-1", rows[True][gone][21:])
    assert not seen(disks(storage, stage), pieces)
    with WorkerProcess(stage, tmp_path / "after.log") as worker:
        stage.wait_until_committed(PATIENCE)
        assert worker.stop() == 0
    raw = stage.raw_rows()
    assert not stage.rejected()
    assert set(raw) == {stays, erased_key(gone.encode()).decode()}
    assert len(json.loads(decode_row(opened_row(raw[stays], stays, keys)).twin)["history"]) == 5
    open_stage.close()
    stage.close()
