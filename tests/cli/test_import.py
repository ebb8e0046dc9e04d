"""import: crontabs as they are found in the wild, by cronie's rules; what it writes is what apply takes."""
import re

import msgpack
import pytest
from conftest import HERE

CRONTABS = HERE / "crontabs"
SYSTEM = ["debian-crontab", "e2scrub_all", "sysstat", "php", "certbot", "anacron", "mdadm"]


def take(ctl, agent, *words, stdin=""):
    """Imports, applies, and gives the definitions by name."""
    imported = ctl("import", *words, stdin=stdin)
    assert imported.code in (0, 1), imported.err
    applied = ctl("apply", "-f", "-", stdin=imported.out)
    assert applied.code == 0, applied.err + imported.out
    return imported, {name: msgpack.unpackb(data) for name, data in agent.definitions.items()}


@pytest.mark.parametrize("name", SYSTEM)
def test_system_crontabs_are_carried_whole(agent, ctl, expected, name):
    imported, definitions = take(ctl, agent, str(CRONTABS / name), "--tz", "UTC", "--group", "system")
    assert imported.code == 0
    entries = [line for line in (CRONTABS / name).read_text().splitlines() if re.match(r"[0-9*]", line)]
    assert len(definitions) == len(entries)
    assert all(full.startswith("system/") for full in definitions)
    assert "root comes later" in imported.err
    expected(f"import-{name}.yaml", imported.out.replace(str(CRONTABS) + "/", ""))


@pytest.mark.parametrize("name", SYSTEM + ["user-web"])
def test_what_was_imported_applied_twice_is_no_change(agent, ctl, name):
    imported, _ = take(ctl, agent, str(CRONTABS / name), "--tz", "UTC")
    again = ctl("apply", "-f", "-", "--json", stdin=imported.out)
    assert {row["result"] for row in again.lines()} == {"no change"}
    assert ctl("import", str(CRONTABS / name), "--tz", "UTC").out == imported.out


def test_a_user_crontab_with_everything_in_it(agent, ctl, expected):
    imported, definitions = take(ctl, agent, str(CRONTABS / "user-web"), "--tz", "UTC")
    assert imported.code == 1
    expected("import-user-web.yaml", imported.out.replace(str(CRONTABS) + "/", ""))
    expected("import-user-web.err", re.sub(r"20\d\d-\d\d-\d\d", "DAY", imported.err.replace(str(CRONTABS) + "/", "")))
    environment = {"SHELL": "/bin/bash", "HOME": "/srv/web", "GREETING": "hello  world "}
    assert definitions["default/dump"] == {
        "job": "default/dump", "description": "nightly database dump, kept for a week", "cron": "30 2 * * *",
        "tz": "Europe/Paris", "env": environment, "cwd": "/srv/web",
        "command": ["/bin/bash", "-c", "/srv/web/bin/dump.sh | gzip > /backup/web-$(date +%F).sql.gz"]}
    assert definitions["default/mail"]["stdin"] == "Dear boss,\n\nall is well.\n  Web\n"
    assert definitions["default/mail"]["command"][2] == 'mail -s "Report" boss'
    assert definitions["default/console"]["cron"] == "@daily"
    assert definitions["default/monthly"]["cron"] == "15 14 1 jan,JUL *"
    assert set(definitions) == {"default/dump", "default/sync", "default/console", "default/mail", "default/monthly"} | {
        name for name in definitions if re.fullmatch(r"default/backup-[0-9a-f]{4}", name)}
    assert len(definitions) == 7


def test_the_percent_rule_is_that_of_cronie(agent, ctl):
    lines = [
        r"* * * * * a \% b",
        r"* * * * * c%in put%two\%three%",
        r"* * * * * d \\% e",
        r"* * * * * f \n\x",
        r"* * * * * g%",
        "* * * * * h%a\\",
    ]
    _, definitions = take(ctl, agent, "-", stdin="\n".join(lines) + "\n")
    said = {name.split("/")[1]: (item["shell"], item.get("stdin")) for name, item in definitions.items()}
    assert said == {
        "a": ("a % b", None),
        "c": ("c", "in put\ntwo%three\n"),
        "d": ("d \\% e", None),
        "f": ("f \\n\\x", None),
        "g": ("g", None),
        "h": ("h", "a\\\n"),
    }


def test_variables_are_read_as_cronie_reads_them(agent, ctl):
    text = "\n".join([
        "A=plain value  ", 'B="quoted  "', "C = spaced", "'D'='single'", "E=", 'F=""', "G=a=b", "H=$HOME/x", "* * * * * one",
        "A=later", "* * * * * two", ""])
    imported, definitions = take(ctl, agent, "-", stdin=text)
    assert definitions["default/one"]["env"] == {
        "A": "plain value", "B": "quoted  ", "C": "spaced", "D": "single", "E": "", "F": "", "G": "a=b", "H": "$HOME/x"}
    assert definitions["default/two"]["env"]["A"] == "later"
    assert "H: a $ is taken as it stands" in imported.err


def test_variables_that_can_not_be_carried_are_told_once(ctl):
    text = ("MAILTO=ann\nMAILTO=ann\nLOGNAME=x\nRANDOM_DELAY=5\nSCHED_A=1\nTZ=Asia/Tokyo\n" + "* * * * * a\n" * 3)
    answer = ctl("import", "-", stdin=text)
    assert answer.code == 0
    for words in ("MAILTO=ann: mail comes later", "LOGNAME can not be set", "RANDOM_DELAY=5: comes later",
                  "variable SCHED_A is left out", "TZ=Asia/Tokyo is for the command only"):
        assert answer.err.count(words) == 1, words
    assert "tz:" not in answer.out.replace("TZ:", "")
    assert "mail" not in ctl("import", "-", stdin='MAILTO=""\n* * * * * a\n').err


def test_the_zone_is_that_of_the_host_unless_said(agent, ctl):
    text = "0 3 * * * a\nCRON_TZ=America/New_York\n0 3 * * * b\n"
    imported, definitions = take(ctl, agent, "-", "--tz", "Europe/Paris", stdin=text)
    assert definitions["default/a"]["tz"] == "Europe/Paris"
    assert definitions["default/b"]["tz"] == "America/New_York"
    assert "times are in Europe/Paris" in imported.err
    answer = ctl("import", "-", stdin="CRON_TZ=Mars/Base\n0 3 * * * b\n")
    assert answer.code == 2 and "stdin:2:1: CRON_TZ: " in answer.err


def test_surprises_are_told_with_their_line(ctl):
    answer = ctl("import", "-", "--tz", "Europe/Paris", stdin="0 0 13 * 5 a\n30 2 * * * b\n*/5 * * * * c\n0 0 * * 5 d\n")
    assert re.search(r"stdin:1: both day fields are set", answer.err)
    assert re.search(r"stdin:2: on 20\d\d-03-\d\d the clock jumps over its time: it fires once, at 03:00", answer.err)
    assert re.search(r"stdin:2: on 20\d\d-10-\d\d the clock shows its time twice: it fires at the first", answer.err)
    assert "stdin:3:" not in answer.err and "stdin:4:" not in answer.err


def test_a_herd_is_told(ctl):
    answer = ctl("import", "-", stdin="".join(f"0 0 * * * job{n}\n" for n in range(12)))
    assert answer.err.count("12 entries fire at the same moments") == 1


def test_the_form_is_guessed_or_told(ctl):
    system = "0 5 * * * root tidy\n"
    answer = ctl("import", "-", stdin=system)
    assert "read as a system crontab" in answer.err and "shell: tidy" in answer.out
    assert "shell: root tidy" in ctl("import", "-", "--user", "ana", stdin=system).out
    assert 'shell: tidy' in ctl("import", "-", "--system", stdin=system).out
    user = "0 5 * * * backup --all\n0 6 * * * mail -s x y\n"  # both are accounts of Debian, too
    assert "shell: backup" not in ctl("import", "-", "--system", stdin=user).out
    assert "mail -s x y" in ctl("import", "-", stdin=user).out or "read as a system" in ctl("import", "-", stdin=user).err


def test_names_are_unique_stable_and_prefixed(agent, ctl):
    text = "0 1 * * * /opt/backup.sh a\n0 2 * * * /opt/backup.sh b\n0 3 * * * tidy\n0 3 * * * tidy\n"
    _, definitions = take(ctl, agent, "-", "--prefix", "old-", "--group", "g", stdin=text)
    names = sorted(definitions)
    assert len(names) == 4 and all(re.fullmatch(r"g/old-(backup|tidy)-[0-9a-f]{4}(-2)?", name) for name in names)
    agent.definitions.clear()
    _, again = take(ctl, agent, "-", "--prefix", "old-", "--group", "g", stdin="0 0 * * * new\n" + text)
    assert set(names) < set(again)


@pytest.mark.parametrize("command, name", [
    ("/usr/bin/certbot renew", "certbot"), ("cd /srv && ./run.sh", "run"), ("FOO=1 BAR=2 /opt/x.py -v", "x"),
    ("test -x /usr/sbin/anacron || /usr/sbin/logrotate /etc/l.conf", "logrotate"),
    ("nice -n 19 ionice -c3 /opt/scan", "scan"), ("/usr/bin/flock -n /var/lock/a.lock /opt/b", "b"),
    ("bash /opt/deploy.sh prod", "deploy"), ("python3 /opt/report.py", "report"), ("/opt/日本.sh", "job"),
    ("[ -d /x ] && { a; b; }", "a"), ("timeout 300 curl http://x/", "curl"), ("'/opt/my job.sh'", "my"),
    ("sh -c 'cd /x; /opt/inner.sh a'", "cd"), ("sh -c '/opt/inner.sh a'", "inner"),
    ("perl -e 'sleep int(rand(9))' && certbot renew", "certbot"), ("[ $(date +%d) -le 7 ] && /opt/first.sh", "first"),
    ("(cd /x && make)", "make"),
    ("x" * 100, "x" * 64), ("echo hi", "echo"), (": > /var/log/x", "job"),
])
def test_names_are_made_of_what_is_run(ctl, command, name):
    answer = ctl("import", "-", "--user", "ana", stdin=f"0 0 * * * {command.replace('%', chr(92) + '%')}\n")
    assert answer.code == 0, answer.err
    assert f"job: {name}\n" in answer.out


@pytest.mark.parametrize("text, place, message", [
    ("61 * * * * x\n", "1:1", "field 1 (minute)"),
    ("* * * x\n", "1:8", "five fields"),
    ("* * * * *\n", "1:10", "the command is missing"),
    ("* * * * * \n", "1:11", "the command is missing"),
    ("a\n", "1:2", "five fields"),
    ("\n\n0 24 * * * x\n", "3:1", "field 2 (hour)"),
    ("* * * * * %x\n", "1:", "the command is empty"),
    ("0 0 * * foo x\n", "1:1", "field 5"),
    ("0 0 31 2 * x\n", "1:1", ""),
    ("'A=x\n", "1:", "five fields"),
])
def test_a_line_that_cron_refuses_exits_2_and_nothing_is_written(ctl, tmp_path, text, place, message):
    answer = ctl("import", "-", "--user", "ana", "--out", str(tmp_path / "out"), stdin="* * * * * fine\n" + text)
    line, column = place.split(":")
    assert (answer.code, answer.out) == (2, "")
    assert f"stdin:{int(line) + 1}:{column}" in answer.err and message in answer.err
    assert not (tmp_path / "out").exists()
    assert ctl("import", "-", "--user", "ana", "--json", stdin=text).error()["exit"] == 2


def test_what_is_known_and_not_carried_is_listed_and_exits_1(ctl):
    answer = ctl("import", "-", "--user", "a", stdin="@reboot x\n~ 3 * * * y\n0 0 * * * z\n")
    assert answer.code == 1
    assert "stdin:1: not carried: @reboot comes later" in answer.err
    assert "stdin:2: not carried: " in answer.err
    assert "1 of 3 entries carried" in answer.err
    assert answer.out.count("job:") == 1


def test_bytes_that_are_not_text_are_refused_by_line(ctl):
    answer = ctl("import", "-", "--user", "a", stdin=b"# caf\xe9\n0 0 * * * a\n0 0 * * * caf\xe9\n")
    assert answer.code == 1
    assert "stdin:3: not carried: the command is not UTF-8" in answer.err
    assert "stdin:2: the comment above is not plain UTF-8" in answer.err
    random = bytes(range(256)) * 4
    assert ctl("import", "-", "--user", "a", stdin=random).code in (1, 2)


def test_windows_line_ends_are_taken_off(agent, ctl):
    _, definitions = take(ctl, agent, "-", "--user", "a", stdin="A=1\r\n0 0 * * * x\r\n")
    assert definitions["default/x"]["shell"] == "x" and definitions["default/x"]["env"] == {"A": "1"}


def test_as_json_each_entry_is_an_object(ctl):
    rows = ctl("import", "-", "--user", "a", "--json", stdin="@reboot x\n0 0 13 * 5 y\n").lines()
    by_line = {row["line"]: row for row in rows}
    assert by_line[1]["carried"] is False and "@reboot" in by_line[1]["reason"]
    assert by_line[2]["job"] == "y" and by_line[2]["definition"]["cron"] == "0 0 13 * 5"
    assert "both day fields" in by_line[2]["notes"][0]
    document = ctl("import", "-", "--user", "a", "--json=doc", stdin="0 0 1 * * y\n").document()
    assert (document["kind"], len(document["items"])) == ("ImportList", 1)


def test_out_is_written_once_and_never_over_a_file(ctl, tmp_path):
    path = tmp_path / "jobs.yaml"
    answer = ctl("import", "-", "--user", "a", "--out", str(path), stdin="0 0 1 * * y\n")
    assert (answer.code, answer.out) == (0, "") and "job: y" in path.read_text()
    again = ctl("import", "-", "--user", "a", "--out", str(path), stdin="0 0 1 * * z\n")
    assert again.code == 5 and "job: y" in path.read_text()


def test_files_that_can_not_be_read(ctl, tmp_path):
    assert ctl("import", str(tmp_path / "none")).code == 2
    assert ctl("import", str(tmp_path)).code == 2
    (tmp_path / "big").write_text("# " + "x" * (1 << 20))
    assert ctl("import", str(tmp_path / "big")).code == 2
    assert ctl("import", "-", "--group", "a b", stdin="0 0 1 * * y\n").code == 2
    assert ctl("import", "-", "--prefix", "x" * 60, stdin="0 0 1 * * y\n").code == 2
    assert ctl("import", "-", "--system", "--user", "x", stdin="").code == 2


def test_an_empty_crontab_is_no_job(ctl):
    answer = ctl("import", "-", stdin="# nothing\n")
    assert answer.code == 0 and "job:" not in answer.out and "0 of 0 entries" in answer.err
