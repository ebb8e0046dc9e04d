"""Expressions and schedules: ours against croniter where it has the same rules, and against a slow model that is
written straight from the rules of cronie and of agent/core/schedule.h."""
import calendar
import datetime
import random
import zoneinfo

import croniter
import pytest

from next_lines import ask

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86400 * 1000
RANGES = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


def random_field(chance, index):
    low, high = RANGES[index]
    kind = chance.random()
    if kind < 0.3:
        return "*"
    if kind < 0.4:
        return f"*/{chance.randint(1, 20)}"
    pieces = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        first, last = sorted((chance.randint(low, high), chance.randint(low, high)))
        shape = chance.random()
        if shape < 0.5:
            if index == 4 and chance.random() < 0.3:
                pieces.append(MONTHS[first - 1])
            elif index == 5 and first < 7 and chance.random() < 0.3:
                pieces.append(DAYS[first].upper())
            else:
                pieces.append(str(first))
        elif shape < 0.8:
            pieces.append(f"{first}-{last}")
        else:
            pieces.append(f"{first}-{last}/{chance.randint(1, 9)}")
    return ",".join(pieces)


def random_expression(chance, fields):
    return " ".join(random_field(chance, index) for index in range(6 - fields, 6))


def values_of(field, index):
    """The set of a field, the slow way."""
    low, high = RANGES[index]
    values = set()
    for piece in field.lower().split(","):
        body, _, step = piece.partition("/")
        if body == "*":
            first, last = low, high
        else:
            ends = [MONTHS.index(e) + 1 if e in MONTHS else DAYS.index(e) if e in DAYS else int(e)
                    for e in body.split("-")]
            first, last = ends[0], ends[-1]
        values.update(range(first, last + 1, int(step or 1)))
    return values


class Model:
    """cronie's find_jobs, and the definition of fixed and wildcard by the latest time the clock has shown."""

    def __init__(self, expression):
        fields = expression.split()
        if len(fields) == 5:
            fields = ["0"] + fields
        self.sets = [values_of(field, index) for index, field in enumerate(fields)]
        self.day_star = fields[3][0] == "*"
        self.weekday_star = fields[5][0] == "*"
        self.is_wildcard = fields[1][0] == "*" or fields[2][0] == "*"

    def day_matches(self, date):
        if date.month not in self.sets[4]:
            return False
        weekday = (date.weekday() + 1) % 7
        by_day = date.day in self.sets[3]
        by_weekday = weekday in self.sets[5] or (weekday == 0 and 7 in self.sets[5])
        if self.day_star or self.weekday_star:
            return by_day and by_weekday
        return by_day or by_weekday

    def matches(self, local):
        return (local.second in self.sets[0] and local.minute in self.sets[1] and local.hour in self.sets[2] and
                self.day_matches(local))

    def next_fires(self, start, count, days_max):
        """In UTC, day by day."""
        fires = []
        date = start.date()
        for _ in range(days_max):
            if self.day_matches(date):
                for hour in sorted(self.sets[2]):
                    for minute in sorted(self.sets[1]):
                        for second in sorted(self.sets[0]):
                            fire = datetime.datetime(date.year, date.month, date.day, hour, minute, second, tzinfo=UTC)
                            if fire > start:
                                fires.append(fire)
                                if len(fires) == count:
                                    return fires
            date += datetime.timedelta(days=1)
        return fires

    def has_date(self):
        if not (self.day_star or self.weekday_star):
            return True
        return any(day <= calendar.monthrange(2000, month)[1] for month in self.sets[4] for day in self.sets[3])


def to_ms(when):
    return int((when - EPOCH).total_seconds()) * 1000


def random_start(chance):
    return EPOCH + datetime.timedelta(seconds=chance.randint(0, 130 * 365 * 86400))


def test_random_expressions_agree_with_the_model():
    chance = random.Random(1)
    questions, wanted = [], []
    for number in range(1200):
        expression = random_expression(chance, 5 if number % 2 == 0 else 6)
        model = Model(expression)
        start = random_start(chance)
        questions.append(("next", expression, "UTC", to_ms(start), 5))
        wanted.append([to_ms(fire) for fire in model.next_fires(start, 5, 900)] if model.has_date() else None)
    refused = 0
    for question, answer, fires in zip(questions, ask(questions), wanted):
        if fires is None:
            assert "never fires" in answer, question
            refused += 1
            continue
        given = [] if answer == "never" else [int(word) for word in answer.split() if word != "never"]
        assert given[:len(fires)] == fires, question
        if len(fires) < 5:
            limit = question[3] + 899 * DAY_MS
            assert all(fire >= limit for fire in given[len(fires):]), question
    assert refused < 100


def test_random_expressions_agree_with_croniter():
    """Where a day field is a star with a step, croniter does not follow cronie; such are left to the model."""
    chance = random.Random(2)
    questions, wanted = [], []
    while len(questions) < 1000:
        expression = random_expression(chance, 5)
        fields = expression.split()
        if fields[2].startswith("*/") or fields[4].startswith("*/") or "7" in fields[4] or not Model(expression).has_date():
            continue
        if any(field[0] != "*" and len(values_of(field, index) - {7}) == size
               for field, index, size in ((fields[2], 3, 31), (fields[4], 5, 7))):
            continue  # croniter takes a list of all days for a star
        if any(int(piece.split("/")[1]) > high - low for field, (low, high) in zip(fields, RANGES[1:])
               for piece in field.split(",") if "/" in piece):
            continue  # croniter refuses a step that is longer than its field
        start = random_start(chance)
        try:
            other = croniter.croniter(expression, start.replace(tzinfo=None))
            fires = [other.get_next(datetime.datetime).replace(tzinfo=UTC) for _ in range(4)]
        except croniter.CroniterBadDateError:
            continue  # it looks a few decades ahead only
        questions.append(("next", expression, "UTC", to_ms(start), 4))
        wanted.append(" ".join(str(to_ms(fire)) for fire in fires))
    wrong = [(q, a, w) for q, a, w in zip(questions, ask(questions), wanted) if a != w]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"


ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin", "Asia/Kathmandu",
         "America/Sao_Paulo", "Africa/Casablanca", "Asia/Gaza", "America/Havana", "Antarctica/Troll", "Asia/Beirut",
         "America/St_Johns", "Pacific/Kwajalein"]


def changes_of(name):
    """The instants at which the offset changes, as our reader has them (compared with Python's elsewhere)."""
    return [int(word) for word in ask([("changes", name, 0, 150)])[0].split() if word != "never"]


def clock_of(zone, start_s, end_s):
    """What the clock shows at every minute of real time, as pairs with the instant."""
    step = datetime.timedelta(minutes=1)
    at = EPOCH + datetime.timedelta(seconds=start_s)
    shown = []
    for at_s in range(start_s, end_s + 1, 60):
        shown.append((at_s, at.astimezone(zone).replace(tzinfo=None, fold=0)))
        at += step
    return shown


def slow_fires(model, clock, start_s):
    """By definition, minute by minute; seconds fields are 0 here. The fires after start_s."""
    fires = []
    high = None
    minute = datetime.timedelta(minutes=1)
    for at_s, local in clock:
        if model.is_wildcard:
            due = model.matches(local)
        else:
            due = False
            shown = high + minute if high is not None else local
            while shown <= local:
                due = due or model.matches(shown)
                shown += minute
        high = local if high is None or local > high else high
        if due and at_s > start_s:
            fires.append(at_s * 1000)
    return fires


def dst_expression(chance, local):
    """An expression that is likely to have something to do near this local time."""
    minute = chance.choice(["*", "*/15", "0", "30", "59", "0,30", "5-55/10", str(chance.randint(0, 59))])
    hours = [str(local.hour), str((local.hour + 1) % 24), str((local.hour - 1) % 24), "*", "*/2", "0", "0-5", "22-23"]
    return f"{minute} {chance.choice(hours)} {chance.choice(['*', '*', '*', str(local.day), '*/2'])} * *"


@pytest.mark.parametrize("name", ZONES)
def test_gaps_and_folds_agree_with_the_definition(name):
    chance = random.Random(name)
    zone = zoneinfo.ZoneInfo(name)
    changes = [at for at in changes_of(name) if at % 60 == 0]
    around = (30 if name in ("Pacific/Apia", "Pacific/Kwajalein") else 14) * 3600  # these two lost a whole day
    questions, wanted = [], []
    for at in chance.sample(changes, min(len(changes), 8)):
        local = (EPOCH + datetime.timedelta(seconds=at - 60)).astimezone(zone)
        start, end = at - around, at + around
        clock = clock_of(zone, start - 6 * 3600, end)
        for _ in range(4):
            expression = dst_expression(chance, local)
            fires = slow_fires(Model(expression), clock, start)
            questions.append(("next", expression, name, start * 1000, len(fires) + 1))
            wanted.append(fires)
            questions.append(("count", expression, name, start * 1000, end * 1000))
            wanted.append(len(fires))
            middle = chance.choice([at * 1000, (at - 1) * 1000, (at + 1800) * 1000, end * 1000])
            questions.append(("previous", expression, name, middle, start * 1000))
            wanted.append(max([fire for fire in fires if fire <= middle], default=start * 1000))
    for question, answer, fires in zip(questions, ask(questions), wanted):
        if question[0] == "next":
            given = [int(word) for word in answer.split() if word != "never"]
            assert given[:len(fires)] == fires, question
            assert len(given) == len(fires) or given[len(fires)] > question[3] + 2 * around * 1000, question
        else:
            assert int(answer) == fires, question


def expression_at(local_s, hour=None):
    local = EPOCH + datetime.timedelta(seconds=local_s)
    return f"{local.second} {local.minute} {local.hour if hour is None else hour} {local.day} {local.month} *"


def test_every_change_of_every_zone_is_passed_as_the_rule_says():
    """In the middle of each gap and fold of tzdata: a fixed time fires once, a wildcard in both passes of a fold."""
    names = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})
    changes = [[int(word) for word in answer.split() if word != "never"]
               for answer in ask([("changes", name, 0, 150) for name in names])]
    pairs = [(name, at) for name, all_of in zip(names, changes)
             for before, at, after in zip([0] + all_of, all_of, all_of[1:] + [1 << 40])
             if min(at - before, after - at) > 26 * 3600]
    offsets = [int(answer) for answer in ask([q for name, at in pairs
                                              for q in (("offset", name, at - 1), ("offset", name, at))])]
    questions, wanted = [], []
    for (name, at), before, after in zip(pairs, offsets[::2], offsets[1::2]):
        if after > before:
            fixed = expression_at(at + (before + after) // 2)
            questions.append(("next", fixed, name, (at - 1) * 1000, 1))
            wanted.append(str(at * 1000))
            questions.append(("count", fixed, name, (at - 86400) * 1000, (at + 86400) * 1000))
            wanted.append("1")
            continue
        local_s = at + (before + after) // 2
        first, second = (local_s - before) * 1000, (local_s - after) * 1000
        questions.append(("next", expression_at(local_s), name, first - 1, 1))
        wanted.append(str(first))
        questions.append(("count", expression_at(local_s), name, first - 1, second + 7200 * 1000))
        wanted.append("1")
        for instant in (first, second):
            questions.append(("previous", expression_at(local_s, "*"), name, instant + 999, 0))
            wanted.append(str(instant))
    wrong = [(q, a, w) for q, a, w in zip(questions, ask(questions), wanted) if a != w]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
    assert len(questions) > 20000


def test_next_previous_and_count_agree_with_one_another():
    """In any zone, from anywhere: what next lists is what count counts, and what previous finds."""
    chance = random.Random(3)
    names = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})
    cases = []
    while len(cases) < 1500:
        expression = random_expression(chance, chance.choice([5, 6]))
        if Model(expression).has_date():
            cases.append((expression, names[len(cases) % len(names)], to_ms(random_start(chance)), chance.randint(1, 40)))
    lists = [[int(word) for word in answer.split() if word != "never"]
             for answer in ask([("next",) + case for case in cases])]
    questions, wanted = [], []
    for (expression, name, start, _), fires in zip(cases, lists):
        assert all(a < b for a, b in zip([start] + fires, fires)), (expression, name, start)
        if not fires:
            continue
        questions.append(("count", expression, name, start, fires[-1]))
        wanted.append(str(len(fires)))
        before = chance.randint(start, fires[-1])
        questions.append(("previous", expression, name, before, start))
        wanted.append(str(max([fire for fire in fires if fire <= before], default=start)))
    wrong = [(q, a, w) for q, a, w in zip(questions, ask(questions), wanted) if a != w]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
