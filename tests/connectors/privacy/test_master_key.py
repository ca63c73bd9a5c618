"""The master key: where it comes from, and what is refused, without a word of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.privacy.master_key import KeySettings, KeysUnusable, master_key, new_master_key, read_master_key


def test_it_comes_from_the_environment_or_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = new_master_key()
    path = tmp_path / "master.key"
    path.write_text(text + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("DOSETWIN_KEYS_MASTER", text)
    settings = KeySettings()
    assert text not in repr(settings)
    assert master_key(settings) == master_key(KeySettings(master="", master_file=path)) == read_master_key(path)
    with pytest.raises(KeysUnusable, match="are both set: leave one of them out"):
        master_key(KeySettings(master=text, master_file=path))


def test_a_store_without_a_master_key_says_where_to_name_it() -> None:
    with pytest.raises(KeysUnusable, match=r"name its file in DOSETWIN_KEYS_MASTER_FILE"):
        master_key(KeySettings(master="", master_file=None))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not base64!", "is no base64"),
        ("c2hvcnQ=", "has 5 bytes and must have 32"),
        ("", "has 0 bytes and must have 32"),
        ("schlüssel", "is no text"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_and_not_shown(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeysUnusable, match=f"master key {path}: {says}") as error:
        read_master_key(path)
    assert not text or text not in str(error.value)


def test_a_file_that_everybody_may_read_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(KeysUnusable, match="No such file or directory; name a file that holds it alone"):
        read_master_key(path)
    path.write_text(new_master_key())
    path.chmod(0o644)
    with pytest.raises(KeysUnusable, match=r"everybody may read it \(mode 644\); chmod 600"):
        read_master_key(path)
