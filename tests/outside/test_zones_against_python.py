"""Zones: our reader of TZif files against Python's zoneinfo, which reads the same files on its own."""
import datetime
import subprocess
import zoneinfo
from zoneinfo import _zoneinfo

import pytest

from next_lines import ask

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
DIRECTORY = "/usr/share/zoneinfo"
# Entries that are not the same on every host, or no zones of their own: ours refuses them.
REFUSED = {"localtime", "posixrules", "Factory"}
NAMES = sorted(name for name in zoneinfo.available_timezones() if name not in REFUSED)


def python_zone(name, directory=DIRECTORY):
    with open(f"{directory}/{name}", "rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=name)


def python_offset(zone, utc_s):
    local = zone.fromutc((EPOCH + datetime.timedelta(seconds=utc_s)).replace(tzinfo=zone))
    return int(local.utcoffset().total_seconds())


def seconds_of_year(year):
    return int((datetime.datetime(year, 1, 1) - EPOCH).total_seconds())


def table_of(name, directory=DIRECTORY):
    """The transitions after 1970 that the file itself lists, by Python's own reader."""
    with open(f"{directory}/{name}", "rb") as file:
        zone = _zoneinfo.ZoneInfo.from_file(file, key=name)
    return [at for at in zone._trans_utc if at > 0]


def compare(names, instants_of, directory=DIRECTORY):
    """Both are asked for the offset at the same instants."""
    questions, wanted = [], []
    for name in names:
        zone = python_zone(name, directory)
        for utc_s in instants_of(name):
            questions.append(("offset", name, utc_s))
            wanted.append(str(python_offset(zone, utc_s)))
    answers = ask(questions, directory)
    wrong = [(q, a, w) for q, a, w in zip(questions, answers, wanted) if a != w]
    assert not wrong, f"{len(wrong)} of {len(questions)}: {wrong[:5]}"
    assert len(questions) > len(names)


def test_there_are_zones_to_compare():
    assert len(NAMES) > 400


def test_offsets_agree_on_both_sides_of_every_listed_transition():
    compare(NAMES, lambda name: [0] + [s for at in table_of(name) for s in (at - 1, at)])


def test_offsets_agree_every_third_month_to_the_year_2199():
    instants = [seconds_of_year(year) + month * 30 * 86400 for year in range(1970, 2200) for month in (0, 3, 6, 9)]
    compare(NAMES[::3], lambda name: instants)


def test_changes_past_the_table_agree_with_the_footer():
    """From 2038 on, a dozen changes each: the offset is the old one just before, another one just after."""
    starts = {name: seconds_of_year(2038) for name in NAMES}
    questions, wanted = [], []
    for _ in range(12):
        asked = list(starts)
        answers = ask([("change", name, starts[name]) for name in asked])
        for name, answer in zip(asked, answers):
            if answer == "never":
                del starts[name]
                continue
            zone = python_zone(name)
            change_s = int(answer)
            assert change_s > starts[name]
            before, after = python_offset(zone, change_s - 1), python_offset(zone, change_s)
            assert before != after, (name, change_s)
            assert before == python_offset(zone, starts[name]), (name, change_s)
            starts[name] = change_s
            questions += [("offset", name, change_s - 1), ("offset", name, change_s)]
            wanted += [str(before), str(after)]
    assert ask(questions) == wanted
    assert len(starts) > 100


def test_changes_are_all_the_listed_ones():
    """Walking from change to change finds the very transitions of the table that alter the offset."""
    answers = ask([("changes", name, 0, 400) for name in NAMES])
    for name, answer in zip(NAMES, answers):
        zone = python_zone(name)
        wanted = [at for at in table_of(name) if python_offset(zone, at - 1) != python_offset(zone, at)]
        found = [int(word) for word in answer.split() if word != "never"]
        assert found[:len(wanted)] == wanted, name


def test_slim_files_say_the_same_as_fat_ones(tmp_path):
    """The same source compiled with and without the table to 2037."""
    source = f"{DIRECTORY}/tzdata.zi"
    for form in ("slim", "fat"):
        result = subprocess.run(["/usr/sbin/zic", "-b", form, "-d", str(tmp_path / form), source],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            pytest.skip("zic does not compile tzdata.zi here: " + result.stderr[:100])
    names = [name for name in NAMES if (tmp_path / "slim" / name).exists()]
    questions = [("changes", name, 0, 200) for name in names]
    end = seconds_of_year(2060)  # some tables of Palestine go on to 2086, and slim ones end sooner
    for name, *answers in zip(names, ask(questions, str(tmp_path / "slim")), ask(questions, str(tmp_path / "fat"))):
        slim, fat = ([word for word in answer.split() if word != "never" and int(word) < end] for answer in answers)
        assert slim == fat, name
