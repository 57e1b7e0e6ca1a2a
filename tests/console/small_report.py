"""A small report written by hand, for tests of the page."""

from driftline.console import content as c

EVIL = "</script><script>alert(1)</script><!--\u2028"


def small_report() -> c.Report:
    """Two interests, one person, two items, two models; one title is hostile."""
    interval = c.Interval(0.1, 0.05, 0.15)
    bands = tuple(
        c.Band(topic, share, share - 0.1, share + 0.1, share - 0.2, share + 0.2)
        for topic, share in ((0, 0.5), (1, 0.25), (c.OTHER, 0.25))
    )
    curves = tuple(
        c.Curve(topic, (1.0, 2.0, 3.0), (share, 0.4, 1 - share), (0.1, 0.2, 0.3), (0.6, 0.7, 0.9))
        for topic, share in ((0, 0.7), (1, 0.2), (c.OTHER, 0.1))
    )
    dates = ("2020-01-01", "2020-02-01", "2020-03-01")
    items = (
        c.SlateItem("a", EVIL, "often taken after B", {"gru": 0.75, "als": 0.25}, 0, had=True),
        c.SlateItem("b", "B", "popular now", {"gru": 0.5, "als": 0.5}, taken_on="2020-03-09"),
    )
    rows = (
        c.ModelRow("gru", {"ndcg@10": interval}, {"ndcg@10": 0.12}, {"ndcg@10": 0.0}),
        c.ModelRow("als", {"ndcg@10": interval}, behind={"ndcg@10": c.Interval(0.0, -0.01, 0.01)}, seconds=1.5),
    )
    movements = (c.Movement(0, (0.5, None, 0.7), interval), c.Movement(1, (0.5, 0.5, 0.3), c.Interval(-0.1, -0.2, 0.1)))
    return c.Report(
        data=c.Data(
            "small",
            3,
            2,
            9,
            *dates[::2],
            10,
            9,
            "ISO-8601",
            "allow",
            faults=(c.Fault("duplicate", 1, EVIL, "dropped"),),
        ),
        topics=(c.Topic("Kitchen", ("Pan",)), c.Topic("Garden & <b>")),
        version="0.0.0",
        seconds=61.0,
        river=c.River(
            "u",
            "the only one",
            "2020-03-01",
            dates,
            curves,
            (c.Visit("2020-01-20", 2, (EVIL,)),),
            (c.Horizon(7, bands),),
            (0.5, 0.25, 0.25),
            4,
        ),
        slate=c.Slate(items, "2020-03-29"),
        models=c.Models("global-time", "2020-03-01", 40, 3, 2, rows, {"gru": 0.6, "als": 0.4}),
        population=c.Population(
            dates,
            30,
            dates[:2],
            dates[1:],
            movements,
            0.1,
            occasions=(c.Occasion("2020-02-14", "St Valentine"),),
            context=c.ContextLine("temperature", "°C", (3.0, None, 9.0), {0: c.Interval(0.4, 0.2, 0.6)}),
        ),
        commands=("driftline recommend run --user u",),
    )
