"""next --expr: words and fires, without an agent."""
import pytest


def fires(answer):
    assert answer.code == 0, answer.err
    return [row["local"] for row in answer.lines()]


@pytest.mark.parametrize("expression, zone, start, wanted", [
    ("*/7 9-17 * * 1-5", "UTC", "2026-11-20T17:50:00Z", ["2026-11-20T17:56:00+00:00", "2026-11-23T09:00:00+00:00"]),
    ("30 2 * * *", "Europe/Paris", "2025-03-29 00:00", ["2025-03-29T02:30:00+01:00", "2025-03-30T03:00:00+02:00"]),
    ("30 2 * * *", "Europe/Paris", "2025-10-25 03:00", ["2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"]),
    ("*/30 2 * * *", "Europe/Paris", "2025-10-26 00:00",
     ["2025-10-26T02:00:00+02:00", "2025-10-26T02:30:00+02:00", "2025-10-26T02:00:00+01:00"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", ["2026-10-04T02:30:00+11:00"]),
    ("0 0 29 2 *", "UTC", "2026-01-01", ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]),
    ("0 0 13 * 5", "UTC", "2026-11-01", ["2026-11-06T00:00:00+00:00", "2026-11-13T00:00:00+00:00"]),
    ("10 30 2 * * *", "UTC", "2026-11-01", ["2026-11-01T02:30:10+00:00"]),
    ("@daily", "Asia/Kathmandu", "2026-11-01T00:00:00Z", ["2026-11-02T00:00:00+05:45"]),
    ("@every 90s", "UTC", "2026-11-01T00:00:00Z", ["2026-11-01T00:01:30+00:00", "2026-11-01T00:03:00+00:00"]),
])
def test_known_fires(lonely, expression, zone, start, wanted):
    answer = lonely("next", "--expr", expression, "--tz", zone, "--from", start, "-n", str(len(wanted)), "--json")
    assert fires(answer) == wanted


def test_the_expression_is_said_in_words_with_the_odd_gap(lonely, expected):
    answer = lonely("next", "--expr", "*/7 9-17 * * 1-5", "--tz", "Europe/Paris", "--from", "2026-11-20T12:00:00Z")
    expected("next-expr.txt", answer.out)
    row = lonely("next", "--expr", "*/7 9-17 * * 1-5", "--json", "-n1").lines()[0]
    assert set(row) == {"expr", "t", "local", "tz", "mark", "words"}
    assert "56→00 is 4 min" in row["words"]


def test_days_on_which_the_clock_jumps_are_marked(lonely):
    rows = lonely("next", "--expr", "30 2 * * *", "--tz", "Europe/Paris", "--from", "2025-03-29", "-n2",
                  "--json").lines()
    assert [row["mark"] for row in rows] == [None, "clock goes forward"]


def test_five_fires_unless_told_and_a_window_by_to(lonely):
    assert len(lonely("next", "--expr", "@hourly", "--json").lines()) == 5
    assert len(lonely("next", "--expr", "@hourly", "--from", "2026-11-01", "--to", "2026-11-02", "--json").lines()) == 24


def test_more_lines_than_anybody_reads_are_asked_for(lonely):
    assert lonely("next", "--expr", "* * * * *", "-n", "10001").code == 2
    assert len(lonely("next", "--expr", "* * * * *", "-n", "10001", "--yes", "--json").lines()) == 10001


def test_a_document_has_no_agent_in_it(lonely):
    document = lonely("next", "--expr", "@daily", "--json=doc", "-n", "2").document()
    assert (document["kind"], document["via"], len(document["items"])) == ("FireList", None, 2)


@pytest.mark.parametrize("words, message", [
    (["61 * * * *"], "field 1 (minute)"),
    (["* * *"], "cron"),
    (["0 0 30 2 *"], "cron"),
    (["* * * * * * *"], "cron"),
    (["@sometimes"], "cron"),
    (["* * * * *", "--tz", "Europe/Pariss"], "--tz"),
    (["* * * * *", "--tz", "../etc/passwd"], "--tz"),
    (["* * * * *", "--from", "2025-02-29"], "--from"),
    (["* * * * *", "--from", "25:00"], "--from"),
])
def test_bad_expressions_zones_and_times_exit_2(lonely, words, message):
    answer = lonely("next", "--expr", *words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert lonely("next", "--json", "--expr", *words).error()["exit"] == 2


def test_a_moment_that_is_past_has_no_fire(lonely):
    answer = lonely("next", "--expr", "@at 2020-01-01T00:00:00Z")
    assert answer.code == 0 and "no fire after that time" in answer.err
