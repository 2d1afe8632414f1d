"""What a row of the table is, and what is wanted of it.

A row measures one kind of work and gives one or more figures. It is a class with a name, a title, its figures, and:

    prepare(system)   once, before all repetitions: topics, data
    warm_up(system)   what precedes the first repetition and does not count; by default one that does not count
    measure(system)   one repetition: {figure's key: number}
    floor(bench)      one repetition of the bare system calls, or None where nothing bare compares

A shared row finds a broker that is running and that others have used before; all shared rows use the same one. Where
`is_shared` is False, measure gets a System that has never been started, and starts, stops and kills it as it likes;
prepare and warm_up are not called. `scale` (1, or less with --quick) says how much work to do.
"""


class Goal:
    """What is wanted of a figure: words, and whether it is reached (None: it cannot be told)."""

    def __init__(self, text, reached):
        self.text = text
        self.reached = reached


def no_goal():
    """Of a figure that explains another."""
    return Goal("–", lambda m: None)


def _three_valued(values, combine):
    return None if None in values else combine(values)


def all_of(*goals):
    return Goal(" and ".join(goal.text for goal in goals),
                lambda m: _three_valued([goal.reached(m) for goal in goals], all))


def any_of(*goals):
    def reached(m):
        values = [goal.reached(m) for goal in goals]
        return True if True in values else _three_valued(values, any)
    return Goal(", or ".join(goal.text for goal in goals), reached)


def at_most(limit, unit=""):
    return Goal(f"≤ {limit:g}{' ' + unit if unit else ''}", lambda m: None if m.ottla is None else m.ottla <= limit)


def at_least(limit):
    return Goal(f"≥ {limit:g}", lambda m: None if m.ottla is None else m.ottla >= limit)


def _compare(other, test):
    return lambda m: None if m.ottla is None or getattr(m, other) is None else test(m.ottla, getattr(m, other))


def kafka_times_at_most(factor, text):
    return Goal(f"≤ {text} of Kafka", _compare("kafka", lambda ottla, kafka: ottla <= kafka * factor))


def kafka_times_at_least(factor):
    return Goal(f"≥ {factor:g} × Kafka", _compare("kafka", lambda ottla, kafka: ottla >= kafka * factor))


def floor_times_at_most(factor):
    return Goal(f"≤ {factor:g} × bare", _compare("floor", lambda ottla, floor: ottla <= floor * factor))


def floor_rate_at_least(factor):
    """Of a rate: the bare loop may be so many times as fast."""
    return Goal(f"bare ≤ {factor:g} × it", _compare("floor", lambda ottla, floor: floor <= ottla * factor))


class Figure:
    """One number of a row: key (in what measure gives), words, how to print it, and the goal."""

    def __init__(self, key, words, goal, decimals=3):
        self.key = key
        self.words = words
        self.goal = goal
        self.decimals = decimals


class Row:
    name = ""
    title = ""
    figures = ()
    is_shared = True
    is_of_ottla_alone = False  # where Apache Kafka has no figure to compare with
    is_goal_of_whole = False  # the goal means the whole size: with --quick it is neither met nor missed
    repetitions_max = None  # a row that takes long may ask for fewer; see repetitions_max_of
    memory_bytes = 1 << 28  # of the page cache and otherwise, that one repetition fills

    def __init__(self, scale):
        self.scale = scale

    def count(self, full):
        """So many, or with --quick fewer."""
        return max(1, int(full * self.scale))

    def repetitions_max_of(self, _side):
        """Where one side takes much longer."""
        return self.repetitions_max

    def prepare(self, system):
        pass

    def warm_up(self, system):
        self.measure(system)

    def measure(self, system):
        raise NotImplementedError

    def floor(self, bench):
        return None
