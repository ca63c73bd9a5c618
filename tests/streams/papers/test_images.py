"""Images of containers: by tag and digest wherever they are named, and with who says that these belong together."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from streams.papers import images
from streams.papers.images import FILE, Image, ImagesError
from tests.places import ROOT

DIGEST = f"sha256:{64 * 'a'}"
TODAY = date(2026, 3, 1)
TWO = ("one/x a.yml", "two/y b.yml")
KNOWN = Image("influxdb", "2.7.12", DIGEST, TODAY, TWO)


def test_every_image_of_this_tree_has_tag_and_digest_and_is_known() -> None:
    assert list(images.gaps(ROOT, images.read(ROOT), date.today())) == []
    assert len(images.named(ROOT)) >= 6


def test_no_file_of_this_tree_names_one_of_them_by_its_tag_alone() -> None:
    names = "|".join(re.escape(one.name) for one in images.read(ROOT) if one.digest)
    tracked = subprocess.run(
        ["git", "grep", "-nIE", rf"(image: *|FROM +|docker (run|pull)[^#]* )({names}):[0-9]", "--", ".", f":!{FILE}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    assert len(tracked) >= 6
    assert [line for line in tracked if "@sha256:" not in line] == []


def tree(root: Path, reference: str) -> Path:
    (root / "docker-compose.yml").write_text(
        f"services:\n  db: {{image: '{reference}'}}\n  ours: {{image: dosetwin:0.1.0}}\n"
    )
    return root


@pytest.mark.parametrize(
    ("reference", "known", "said"),
    [
        ("influxdb:2.7.12", [], "docker-compose.yml: influxdb:2.7.12 is in no entry of docs/papers/images.toml"),
        (KNOWN.reference, [Image("influxdb", "2.7.12", DIGEST, TODAY, TWO[:1])], "stated by 1 owners"),
        (KNOWN.reference, [Image("influxdb", "2.7.12", DIGEST, TODAY, ("one/x a", "One/y b"))], "stated by 1 owners"),
        (KNOWN.reference, [KNOWN, Image("node", "22", DIGEST, TODAY, TWO)], "no file names node:22@sha256"),
        ("influxdb:2", [Image("influxdb", "2", reason="r", until=TODAY)], "until 2026-03-01: look again"),
        ("influxdb:2", [Image("influxdb", "2", reason="r", until=date(2027, 3, 1))], "half a year at most"),
    ],
)
def test_what_is_not_known_enough_is_named(tmp_path: Path, reference: str, known: list[Image], said: str) -> None:
    (gap,) = images.gaps(tree(tmp_path, reference), known, TODAY)
    assert said in gap


def test_an_image_without_digest_is_excused_for_a_while(tmp_path: Path) -> None:
    excused = Image("influxdb", "2", reason="nobody states it", until=date(2026, 5, 1))
    assert list(images.gaps(tree(tmp_path, "influxdb:2"), [excused], TODAY)) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            'name = "n"\ntag = "1"\nuntil = 2026-03-01',
            "images[0].reason: each entry has exactly name, reason, tag, until",
        ),
        ('name = "n"\ntag = "1"\nreason = "r"\nuntil = "soon"', "images[0].until: 'soon' is no day"),
        (
            'name = "n"\ntag = "1"\ndigest = "sha256:ab"\nread = 2026-03-01\nstated = []',
            "images[0].digest: 'sha256:ab'",
        ),
        (f'name = "n"\ntag = "1"\ndigest = "{DIGEST}"\nread = 2026-03-01', "images[0].stated: each entry has exactly"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(f"[[images]]\n{entry}\n")
    with pytest.raises(ImagesError, match=re.escape(said)):
        images.read(tmp_path)
