"""Help and the command table."""
import re


def command_names(ctl):
    names = []
    for line in ctl("help").out.splitlines():
        found = re.match(r"  ([a-z]+(?: [a-z]+)?)  +\S", line)
        if found:
            names.append(found.group(1))
    return names


def test_the_overview_groups_by_task(lonely, expected):
    answer = lonely("help")
    assert answer.code == 0
    expected("help.txt", answer.out)
    assert lonely("--help").out == answer.out


def test_every_command_has_a_page_with_its_exit_codes(lonely):
    names = command_names(lonely)
    assert len(names) >= 22
    for name in names:
        page = lonely("help", *name.split())
        assert page.code == 0 and page.err == ""
        assert page.out.startswith(f"usage: schedctl {name}")
        assert "Exit codes\n  0  done\n" in page.out and "\n  2  bad input" in page.out
        assert all(len(line) <= 110 for line in page.out.splitlines())


def test_short_help_is_at_most_24_lines(lonely):
    for name in command_names(lonely):
        answer = lonely(*name.split(), "--help")
        assert answer.code == 0 and len(answer.out.splitlines()) <= 24, name
        assert lonely(*name.split(), "-h").out == answer.out


def test_help_of_a_noun_lists_its_commands(lonely):
    assert [line.split("  ")[1] for line in lonely("help", "job").out.splitlines()] == [
        "job ls", "job show", "job add", "job rm", "job pause", "job resume", "job enable", "job disable"]
    assert lonely("help", "jbo").code == 2


def test_the_page_of_job_add_has_every_key(lonely):
    page = lonely("help", "job", "add").out
    for key in ("cron", "every", "at", "tz", "overlap", "start-deadline", "output-max", "ok-exit", "never-twice"):
        assert f"--{key} " in page


def test_version_is_told_in_three_ways(lonely):
    text = lonely("version").out
    assert re.fullmatch(r"schedctl \d+\.\d+\.\d+\n", text)
    assert lonely("--version").out == text
    assert lonely("version", "--json").lines() == [{"program": "schedctl", "version": text.split()[1]}]


def test_nothing_at_all_exits_2_with_a_hint(lonely):
    answer = lonely()
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "schedctl: no command is given\nhint: schedctl help\n"
