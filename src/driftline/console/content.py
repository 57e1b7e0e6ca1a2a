"""What the report page shows, as values: names, dates and numbers; the page makes every sentence from them.

Dates are ISO days (`2011-09-01`). A topic is its place in `Report.topics`; `OTHER` stands for all the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OTHER = -1
"""The place of the topics that are not shown one by one."""


@dataclass(frozen=True)
class Interval:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether 0 is inside, so that nothing is claimed."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Topic:
    """A named interest with the items that explain the name."""

    name: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """One interest through time, an entry per date of the river.

    `weight` is the evidence for it (faded events), `share` its part of the whole with the ends of its 90 % interval.
    The river is as wide as all evidence together, and divided by shares.
    """

    topic: int
    weight: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Visit:
    """What one user did on one day: how many events, and the titles of a few."""

    date: str
    events: int
    titles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Band:
    """A topic's forecast share at one horizon with the ends of its 50 and 90 % intervals."""

    topic: int
    share: float
    low50: float
    high50: float
    low90: float
    high90: float


@dataclass(frozen=True)
class Horizon:
    """The forecast of all topics for one moment, `days` after now."""

    days: float
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class River:
    """One user's interests up to `now`, the forecast after it, and what then came, by which both can be judged.

    `rule` says in words how this user was chosen. `came` holds the share of each topic of `curves` among the user's
    `came_events` events within the longest horizon; empty where there were none.
    """

    user_id: str
    rule: str
    now: str
    dates: tuple[str, ...]
    curves: tuple[Curve, ...]
    visits: tuple[Visit, ...]
    forecast: tuple[Horizon, ...] = ()
    came: tuple[float, ...] = ()
    came_events: int = 0


@dataclass(frozen=True)
class SlateItem:
    """One recommended item: its true reason, the arms' shares of its score, and what the user did with it later.

    `had` says whether the user had it before; `taken_on` is the day after `now` when the user next took it, or None.
    """

    item_id: str
    title: str
    reason: str
    arms: Mapping[str, float]
    topic: int = OTHER
    had: bool = False
    taken_on: str | None = None


@dataclass(frozen=True)
class Slate:
    """What was recommended to the river's user at `now`, best first, judged by events up to `until`."""

    items: tuple[SlateItem, ...]
    until: str


@dataclass(frozen=True)
class ModelRow:
    """One model's figures by metric: over all targets, over warm and cold items, and what the best model has more.

    `behind` is the paired difference best − this; empty for the best model itself by that metric.
    """

    name: str
    metrics: Mapping[str, Interval]
    warm: Mapping[str, float] = field(default_factory=dict)
    cold: Mapping[str, float] = field(default_factory=dict)
    behind: Mapping[str, Interval] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class Models:
    """The table of models, what they were asked, and the shares of the blend's arms."""

    protocol: str
    cutoff: str
    targets: int
    users: int
    cold_targets: int
    rows: tuple[ModelRow, ...]
    arms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Movement:
    """A topic of everybody: its share in each step (None without events), and the change between two spans."""

    topic: int
    shares: tuple[float | None, ...]
    change: Interval


@dataclass(frozen=True)
class Occasion:
    """A named day worth a mark."""

    date: str
    name: str


@dataclass(frozen=True)
class ContextLine:
    """A series beside the topics, a value per step (None where there is none), with the unit that it is in.

    `follows` says which topics move with it day by day: their correlation with it, both less their slow trend;
    `closest` is the topic with the strongest correlation, and the figure, whether or not it is beyond chance.
    """

    name: str
    unit: str
    values: tuple[float | None, ...]
    follows: Mapping[int, Interval] = field(default_factory=dict)
    closest: tuple[int, float] | None = None


@dataclass(frozen=True)
class Population:
    """What people move toward: shares of topics in steps of days, and changes from span `earlier` to `recent`.

    `too_few` topics are left out because hardly anybody took part in them in either span: fewer than `least_people`.
    """

    steps: tuple[str, ...]
    step_days: int
    earlier: tuple[str, str]
    recent: tuple[str, str]
    movements: tuple[Movement, ...]
    without_topic: float = 0.0
    too_few: int = 0
    least_people: int = 0
    occasions: tuple[Occasion, ...] = ()
    context: ContextLine | None = None


@dataclass(frozen=True)
class Fault:
    """One kind of thing that is wrong with the data, as reading found it."""

    code: str
    count: int
    example: str
    action: str


@dataclass(frozen=True)
class Data:
    """The dataset in numbers, and what reading it found."""

    name: str
    users: int
    items: int
    events: int
    first: str
    last: str
    rows: int
    kept: int
    time_unit: str
    repeats: str
    event_word: str = "events"
    faults: tuple[Fault, ...] = ()
    notice: str = ""


@dataclass(frozen=True)
class Report:
    """Everything on the page; a part that is None is left out."""

    data: Data
    topics: tuple[Topic, ...]
    version: str
    seconds: float
    river: River | None = None
    slate: Slate | None = None
    models: Models | None = None
    population: Population | None = None
    commands: tuple[str, ...] = ()
