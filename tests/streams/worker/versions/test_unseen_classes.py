"""A ward whose patients are of classes that nobody sees: twins, messages, what is learnt, released, and gone on by."""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from connectors.kafka.records import decode_record
from connectors.kafka.topics import POSTERIORS
from connectors.posteriors import opened, packed
from connectors.privacy.patient_keys import PatientKeys, create_store
from connectors.releases import Version, new_key, open_key, publish, sign
from streams.commands.study.learn import app
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import PatientState
from streams.worker.twin_factory import LibraryTwins
from streams.worker.versions.rolling import command
from tests.streams.worker.stage import enrolment
from tests.twin import bedside
from tests.twin.population.mixture import mixtures
from twin.events import Estimate, InputEvent, Posterior, decode_output, encode, to_millis
from twin.modelfile.library import load_model
from twin.patient.averaged import AveragedTwin, begun_twin

MODEL = mixtures.eliminated()
"""Clearance 2 L/h, three times as high in those 60 % who are fast."""

CLEARANCE, RATIO, SLOW = 2.5, 2.2, 0.75
"""Of the ward's patients; variances and error are as published."""

VOLUME = 20.0

EARLY, LATER, MOVED, PARTICLES = 40, 24, 8, 100
PASSPHRASE = "a long passphrase"
DAY = date(2026, 3, 1)
TOLD = re.compile(r"^(share \w+|\w+) +([\d.e-]+) +([\d.e-]+) +([\d.e-]+)", re.MULTILINE)
"""Of a number: its name, as published, as learnt, standard error."""


def told(number: int) -> list[InputEvent]:
    """What is told of a patient within a day: a dose and four levels."""
    rng, name = np.random.default_rng([number, 3]), f"C{number:02d}"
    clearance = CLEARANCE * (1.0 if rng.random() < SLOW else RATIO) * math.exp(rng.normal(0.0, math.sqrt(0.06)))
    volume = VOLUME * math.exp(rng.normal(0.0, math.sqrt(0.04)))
    events: list[InputEvent] = [enrolment(name, MODEL.id, bedside.at(0))]
    events.append(bedside.dose(0.0, 100.0, patient_id=name, event_id=f"{name} dose", route="iv"))
    for hours in (1.0, 4.0, 9.0, 14.0):
        level = 100.0 / volume * math.exp(-clearance / volume * hours) * (1.0 + 0.2 * rng.normal())
        known = {"patient_id": name, "event_id": f"{name} {hours:g}"}
        events.append(bedside.level(hours, max(level, 0.01), analyte="plasma", **known))
    return events


class Ward:
    """A worker's processor in clinical mode that says messages, and its patients."""

    def __init__(self, releases: Path, keys: PatientKeys) -> None:
        self.processor = EventProcessor(
            LibraryTwins(particles=PARTICLES, clinical=releases), keys=keys, posteriors=True
        )
        self.states: dict[str, PatientState] = {}
        self._keys, self._said = keys, 0

    def say(self, *events: InputEvent) -> Outcome:
        """Events of one patient arrive."""
        name = events[0].patient_id
        if name not in self.states:
            self.states[name] = self.processor.open(name, None)
        arrivals = []
        for event in events:
            self._said += 1
            record = KafkaRecord("t", 0, self._said, to_millis(bedside.at(24)), None, encode(event))
            arrivals.append(ReceivedEvent(event, record))
        outcome = self.processor.handle(self.states[name], arrivals)
        assert outcome.rejected == []
        return outcome

    def versions(self) -> list[Version]:
        """That were released to replace a model."""
        twins = self.processor._twins
        assert isinstance(twins, LibraryTwins)
        return list(twins.versions().values())

    def enrol(self, number: int, messages: Path) -> None:
        """A patient's whole record; the newest message is kept in a folder."""
        outcome = self.say(*told(number))
        said = [decode_record(POSTERIORS, one.value) for one in outcome.outputs if one.topic == POSTERIORS]
        last = said[-1]
        assert isinstance(last, Posterior)
        messages.mkdir(exist_ok=True)
        (messages / f"{last.patient_id}.npz").write_bytes(packed(opened(last, self._keys)))


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.slow
def test_a_ward_of_unseen_classes_learns_releases_and_goes_on_by_what_it_learnt(tmp_path: Path) -> None:
    releases, public = tmp_path / "releases", new_key(tmp_path / "reviewer.key", PASSPHRASE)
    releases.mkdir(mode=0o755)
    (releases / "reviewers.toml").write_text(f'[reviewers]\nA = "{public}"\n')
    (releases / "reviewers.toml").chmod(0o644)
    published = releases / f"{MODEL.id}.toml"
    published.write_text(MODEL.text)
    publish(sign(MODEL, open_key(tmp_path / "reviewer.key", PASSPHRASE), "A", DAY, "looked at"), MODEL, releases)
    create_store(tmp_path / "keys", bytes(32))
    ward = Ward(releases, PatientKeys(tmp_path / "keys", bytes(32)))
    early, later, draft = tmp_path / "early", tmp_path / "later", tmp_path / "made_ward.toml"
    for number in range(EARLY + LATER):
        ward.enrol(number, early if number < EARLY else later)

    common = ("--model", published)
    fitted = call("fit", early, *common, "--id", "made_ward", "--out", draft, "--learn", "ratio")
    assert fitted.exit_code in (0, 3), fitted.output
    rows = {row[0]: [float(number) for number in row[1:]] for row in TOLD.findall(fitted.output)}
    for name, wanted in (("CL", CLEARANCE), ("ratio", RATIO), ("share slow", SLOW), ("V", VOLUME)):
        before, found, error = rows[name]
        assert abs(found - wanted) < 3.0 * error, (name, rows)
        assert name == "V" or abs(found - wanted) < 0.5 * abs(before - wanted), (name, rows)
    judged = call("judge", draft, later, *common)
    assert judged.exit_code == 0, judged.output
    signing = ("--key", tmp_path / "reviewer.key", "--reviewer", "A", "--passphrase", PASSPHRASE)
    released = call("release", draft, *signing, "--releases", releases, "--replaces", MODEL.id)
    assert released.exit_code == 0, released.output

    learnt, (version,) = load_model(draft, mixtures=True), ward.versions()
    assert (version.model, version.model_hash) == ("made_ward", learnt.hash)
    for number in range(MOVED):
        name, state = (own := told(number))[0].patient_id, ward.states[own[0].patient_id]
        assert ward.say(command(state, version)).outputs == [], "what was said stays as it was"
        assert (state.model_id, state.model_hash) == ("made_ward", learnt.hash)
        fresh = begun_twin(name, learnt, PARTICLES)
        assert isinstance(fresh, AveragedTwin)
        assert isinstance(state.twin, AveragedTwin)
        fresh.observe(own)
        assert state.twin.weights == fresh.weights, "as if the version had been there from the start"
        later_on = bedside.clock(60.0, patient_id=name, event_id=f"{name} 60")
        outputs = [decode_output(one.value) for one in ward.say(later_on).outputs]
        (*_, said) = (one for one in outputs if isinstance(one, Estimate))
        assert (said.model_hash, said.class_probability) == (learnt.hash, fresh.weights)
