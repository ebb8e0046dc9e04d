"""key new."""
import os
import re
import stat


def test_a_key_is_made_for_its_owner_only(lonely, tmp_path):
    path = tmp_path / "key"
    answer = lonely("key", "new", str(path))
    assert answer.code == 0 and "made key" in answer.out
    assert re.fullmatch(r"peersched-key-1 [0-9a-f]{64}\n", path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_umask_does_not_spoil_the_mode(lonely, tmp_path):
    before = os.umask(0o777)
    try:
        lonely("key", "new", str(tmp_path / "key"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_two_keys_differ_and_neither_is_shown(lonely, tmp_path):
    answers = [lonely("key", "new", str(tmp_path / name), "--json") for name in ("a", "b")]
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()
    for answer, name in zip(answers, ("a", "b")):
        row = answer.lines()[0]
        assert row["file"] == str(tmp_path / name) and re.fullmatch("[0-9a-f]{4}", row["key_id"])
        assert (tmp_path / name).read_text().split()[1] not in answer.out


def test_a_key_that_is_there_is_never_overwritten(lonely, tmp_path):
    path = tmp_path / "key"
    path.write_text("precious")
    answer = lonely("key", "new", str(path))
    assert answer.code == 5 and "never overwritten" in answer.err
    assert path.read_text() == "precious"
    assert lonely("key", "new", str(path), "--json").error()["code"] == "exists"


def test_a_folder_that_is_not_there_is_bad_input(lonely, tmp_path):
    assert lonely("key", "new", str(tmp_path / "no" / "key")).code == 2
