"""An alert says what it is about."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from twin.events import Alert, Subject, SubjectKind, decode_output, encode


@pytest.mark.parametrize("kind", get_args(SubjectKind))
def test_every_kind_of_subject_survives_the_wire(kind: SubjectKind) -> None:
    alert = Alert.example().model_copy(update={"subject": Subject(kind, "x")})
    assert decode_output(encode(alert)) == alert


@pytest.mark.parametrize(
    "subject", ['"neutrophils"', '{"kind":"organ","name":"liver"}', '{"kind":"drug"}', '{"kind":"drug","name":""}',
                '{"kind":"drug","name":"x","colour":"red"}', '{"kind":"drug","name":7}', "null"]
)  # fmt: skip
def test_what_is_no_subject_is_refused(subject: str) -> None:
    raw = encode(Alert.example()).decode()
    bad = raw.replace('{"kind":"output","name":"neutrophils"}', subject)
    assert bad != raw
    with pytest.raises(ValidationError, match="subject"):
        decode_output(bad.encode())


def test_subjects_are_ordered_by_kind_then_name() -> None:
    subjects = [Subject("drug", "b"), Subject("device", "c"), Subject("drug", "a")]
    assert sorted(subjects) == [Subject("device", "c"), Subject("drug", "a"), Subject("drug", "b")]
