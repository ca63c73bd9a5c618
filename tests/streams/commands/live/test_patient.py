"""Patients whose rows are damaged, of another version or gone come back by command, as they would be undisturbed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import home_partition
from streams.cli import app
from streams.worker.rows.changelog import changelog_of, ensure_changelog
from streams.worker.rows.state_row import MARK, StateRow, decode_row, encode_row, mark_of, of_term, term_of
from tests.streams.worker.stage import FAKE_TWINS, Stage, WorkerProcess, enrolment, lab, pump

SEALED = {
    "flipped": "bad_state_row",
    "other-version": "bad_state_row",
    "other-model": "model_changed",
    "deleted": "row_deleted",
    "overwritten": "row_overwritten",
    "large": "row_too_large",
    "nameless": "bad_state_row",
}
"""Why each patient's twin moves no more; of the nameless one no enrolment was ever told."""

PATIENTS = ["fine", *SEALED]

TERM = 60
"""Of whoever wrote the rows last."""


def damage(stage: Stage, raw: dict[str, bytes]) -> None:
    """Make the changelog anew, as it may be after compaction, with what must not be taken for a sound row."""
    sound = {patient: of_term(row, TERM) for patient, row in raw.items()}
    flipped, nameless, version = (bytearray(sound[name]) for name in ("flipped", "nameless", "other-version"))
    flipped[-7] ^= 4
    nameless[-7] ^= 4
    version[3] -= 1
    rows: dict[str, bytes | None] = {
        "fine": sound["fine"],
        "deleted": None,
        "overwritten": of_term(raw["overwritten"], TERM - 20),
        "flipped": bytes(flipped),
        "nameless": bytes(nameless),
        "other-version": bytes(version),
        "other-model": altered(sound["other-model"], model_hash="another"),
        "large": altered(sound["large"], twin=b"", sealed=("row_too_large", "it was")),
    }
    admin = open_admin(stage.bootstrap)
    admin.delete_topics([changelog_of(stage.settings)])
    admin.close()
    ensure_changelog(stage.settings)
    for number in range(stage.partitions):
        stage.producer.send(changelog_of(stage.settings), partition=number, key=MARK, value=mark_of(TERM)).get(60)
    for patient, row in rows.items():
        number = home_partition(patient.encode(), stage.partitions)
        stage.producer.send(changelog_of(stage.settings), partition=number, key=patient.encode(), value=row).get(60)


def altered(raw: bytes, **changes: Any) -> bytes:
    fields = {name: getattr(decode_row(raw), name) for name in StateRow.__struct_fields__}
    return of_term(encode_row(StateRow(**(fields | changes))), term_of(raw) or 0)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["patient", *arguments])


def test_sealed_patients_are_named_and_repair_brings_them_back_to_the_bytes_of_an_undisturbed_run(
    stage: Stage, tmp_path: Path
) -> None:
    assert "no worker named a sealed patient" in run("repair", "--twins", FAKE_TWINS).output
    stage.play([enrolment(patient) for patient in PATIENTS if patient != "nameless"])
    stage.play(lab(patient, minute, 0.3 if minute == 4 else 3.0) for minute in range(1, 6) for patient in PATIENTS)
    with WorkerProcess(stage, tmp_path / "first.log") as worker:
        stage.wait_until_committed()
        for command in (["rebuild", "flipped"], ["repair", "flipped", "--yes"]):
            busy = run(*command, "--twins", FAKE_TWINS)
            assert busy.exit_code == 1
            assert "stop them first" in busy.output
        assert worker.stop() == 0
    sound, before = stage.raw_rows(), stage.rows()
    damage(stage, sound)

    stage.play([lab(patient, 7) for patient in PATIENTS])
    with WorkerProcess(stage, tmp_path / "sealed.log") as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0
    assert {letter.patient_id: letter.reason for letter in stage.rejected()} == SEALED

    ends = stage.raw_rows()
    looked = run("repair", *PATIENTS, "stranger", "--twins", FAKE_TWINS)
    assert looked.exit_code == 1, "nobody can fold the nameless one anew"
    for patient, reason in SEALED.items():
        assert f"{patient}: {reason}: " in looked.output
    assert "fine: its row is sound: nothing to mend" in looked.output
    assert "stranger: nothing is known of this patient: nothing to mend" in looked.output
    assert looked.output.count("rebuild: folds it anew from 7 records") == len(SEALED) - 1
    assert "the inputs hold no enrolment to fold from" in looked.output
    assert "nothing was changed" in looked.output
    assert stage.raw_rows() == ends

    result = run("repair", "--yes", "--twins", FAKE_TWINS)  # those whom the worker named
    assert result.exit_code == 1
    back = [patient for patient in SEALED if patient != "nameless"]
    assert result.output.count("folded anew from 7 records by fake_model") == len(back)
    assert "fine" not in result.output
    last = run("repair", "nameless", "--yes", "--or-reenrol", "--twins", FAKE_TWINS)
    assert last.exit_code == 0, last.output
    assert "nameless: begins anew with its next enrolment" in last.output
    stage.play([pump(patient, 9) for patient in PATIENTS])
    with WorkerProcess(stage, tmp_path / "back.log") as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0
    assert len(stage.rejected()) == len(SEALED), "nothing is refused any more"
    after = stage.rows()
    fine = known_to(after["fine"].twin)
    assert known_to(before["fine"].twin) != fine
    for patient in back:
        assert known_to(after[patient].twin) == fine
        assert after[patient].sealed is None
    anew = after["nameless"]
    assert (anew.model_id, anew.twin, len(anew.held)) == ("", b"", 1), "it waits for an enrolment, as one who is new"
    assert run("repair", *back, "--yes", "--twins", FAKE_TWINS).output.count("nothing to mend") == len(back)

    assert run("rebuild", "fine", "--twins", FAKE_TWINS).exit_code == 0
    assert stage.rows()["fine"].twin == after["fine"].twin
    stranger = run("rebuild", "stranger", "--twins", FAKE_TWINS)
    assert stranger.exit_code == 1
    assert "stranger: the inputs hold no enrolment to begin with" in stranger.output
    assert run("reenrol", "large").exit_code == 0
    assert stage.rows()["large"].twin == b""
    ids = [estimate.event_id for estimate in stage.estimates() if estimate.patient_id == "deleted"]
    assert len(set(ids)) == 7, "what was refused meanwhile was estimated too"
    alerts = {(alert.patient_id, alert.alert_id, alert.revision) for alert in stage.alerts()}
    assert len(alerts) == len(PATIENTS) - 1, "alerts were told again as they were"


def known_to(raw: bytes) -> list[tuple[int, str, float]]:
    """What a fake twin knows: time, kind and value of everything."""
    return [(entry[0], entry[2], entry[3]) for entry in json.loads(raw)["history"]]


def test_a_repair_judges_by_the_wards_own_thresholds(tmp_path: Path) -> None:
    ours = tmp_path / "rules.toml"
    ours.write_text("[rules]\n")
    refused = run("repair", "P-1", "--rules", str(ours))
    assert refused.exit_code == 1
    assert f"dosetwin: {ours}: version: is missing" in refused.output
