"""Fitting forecasts: experts, their weights, and the spread of what comes, at rolling origins inside the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from driftline.data.events import EventLog
from driftline.interest.dynamics import Dynamics
from driftline.interest.experts import (
    N_FEATURES,
    Expert,
    gate_features,
    history_age_days,
    idle_us,
    promised_events,
    scale_days,
    softmax,
)
from driftline.interest.fitting import EVENTS, Questions, candidates, multinomial_likelihood, try_half_life
from driftline.interest.forecast import HorizonModel, concentrations_of
from driftline.interest.horizons import Horizon, ask
from driftline.interest.state import Counts, Evidence, HalfLife
from driftline.interest.topics import Topics

SHORTER_BY = 6.0
RIDGES = (1e-4, 1e-2)
"""How strongly weights are held to their start; which one is chosen by users that they were not fitted on."""
MIN_USERS = 40
"""With fewer users than this on either side the weights stay at their start."""
START_WEIGHT = 5.0
"""How far the expert that is best alone leads the others before anything is learned, in logits."""
STRENGTHS = (0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
COMMON = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""What is tried for an expert's pulls toward everybody's mix."""

SURE_SHARE = 2.0
"""A gate is taken when its gain over the start, on users it was not fitted on, is so many standard errors."""


def fit_horizon(
    log: EventLog, topics: Topics, dynamics: Dynamics, horizon: Horizon, *, seed: int = 0
) -> HorizonModel | None:
    """Fit one horizon; None where the log is too short to ask anything of it. `log` holds positive events."""
    asked = ask(log, topics, horizon, seed=seed)
    if not len(asked.query):
        return None
    experts = choose_experts(log, topics, dynamics, asked)
    view = _View(log, topics, dynamics, experts, asked)
    gate = _choose_gate(view, seed=seed)
    spread = fit_concentration(asked, view.mixed(gate), view.n_faded)
    return HorizonModel(horizon, experts, gate, spread, _fit_pace(view, horizon), _scores(view, gate))


def choose_experts(log: EventLog, topics: Topics, dynamics: Dynamics, asked: Questions) -> tuple[Expert, ...]:
    """The half-life that is best alone, a shorter one, the whole history, the best in event time, and everybody.

    Half-lives are chosen with a prior strength alone; each kept then gets the two pulls that are best for it. The first
    leads before anything is learned.
    """
    prior = asked.at_pairs(dynamics.priors(log, topics, asked.histories.at_us))
    evidence = Evidence.of(asked.histories, dynamics.ratings)

    def loss(half_life: HalfLife) -> float:
        return try_half_life(evidence, topics, half_life, asked, prior).log_score

    options = candidates(log, order_only=dynamics.order_only)
    main = min(options, key=loss)
    whole = HalfLife(events=np.inf) if dynamics.order_only else HalfLife(days=np.inf)
    by_events = min((HalfLife(events=one) for one in EVENTS), key=loss)
    kept = dict.fromkeys((main, _shorter(main, options), whole, by_events))
    return (*(_drawn(evidence, topics, one, asked, prior) for one in kept), Expert())


def _drawn(
    evidence: Evidence, topics: Topics, half_life: HalfLife, asked: Questions, prior: NDArray[np.float64]
) -> Expert:
    """The expert of a half-life with the two pulls toward everybody's mix that are best together; `prior` [n_pairs]."""
    counts = evidence.counts(topics, half_life)
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()[asked.query]
    own = asked.at_pairs(counts)
    options = [Expert(half_life, strength, common) for strength in STRENGTHS for common in COMMON]
    losses = [float(asked.mean_over_users(-np.log(one.shares(own, total, prior)))) for one in options]
    return options[int(np.argmin(losses))]


def _shorter(main: HalfLife, options: tuple[HalfLife, ...]) -> HalfLife:
    """The option closest to a sixth of the main half-life (of the longest finite one, where that is the whole)."""
    finite = [one for one in options if np.isfinite(one.length)] or [main]
    goal = min(main.length, max(one.length for one in finite)) / SHORTER_BY
    return min(finite, key=lambda one: abs(np.log(one.length / goal)))


class _View:
    """What the experts say at the pairs of some questions, and what the gate may look at."""

    def __init__(
        self, log: EventLog, topics: Topics, dynamics: Dynamics, experts: tuple[Expert, ...], asked: Questions
    ) -> None:
        evidence = Evidence.of(asked.histories, dynamics.ratings)
        prior = asked.at_pairs(dynamics.priors(log, topics, asked.histories.at_us))
        self.asked = asked
        self.experts = experts
        self.shares = np.empty((len(asked.query), len(experts)))
        self.n_faded = np.zeros(len(asked.histories))
        for place, expert in enumerate(experts):
            if expert.half_life is None:
                self.shares[:, place] = prior
                continue
            counts = evidence.counts(topics, expert.half_life)
            total = np.asarray(counts.sum(axis=1), np.float64).ravel()
            self.shares[:, place] = expert.shares(asked.at_pairs(counts), total[asked.query], prior)
            self.n_faded = total if place == 0 else self.n_faded
        self.features = gate_features(
            self.n_faded, idle_us(asked.histories, order_only=dynamics.order_only), scale_days(experts)
        )

    def mixed(self, gate: Counts) -> NDArray[np.float64]:
        """The mixture's share at each pair; shape [n_pairs]."""
        weights = softmax(self.features @ gate)[self.asked.query]
        return np.asarray((weights * self.shares).sum(axis=1), np.float64)


def _choose_gate(view: _View, *, seed: int) -> Counts:
    """Weights of the experts, held to their start as strongly as users that they were not fitted on ask for.

    The start, at which the best expert alone leads, is kept unless the gain of the weights over it on such users is
    more than chance.
    """
    users = np.unique(view.asked.histories.user_row[view.asked.query])
    start = _start(view)
    if len(users) < 2 * MIN_USERS or view.shares.shape[1] == 1:
        return start
    first = np.random.default_rng(seed).permutation(len(users)) < len(users) // 2
    of_pair = first[np.searchsorted(users, view.asked.histories.user_row[view.asked.query])]
    plain = _by_user(view, start)
    gains = {}
    for ridge in RIDGES:
        halves = [_fit_gate(view, part, ridge) for part in (of_pair, ~of_pair)]
        crossed = np.where(first, _by_user(view, halves[1]), _by_user(view, halves[0]))
        gain = plain - crossed
        gains[ridge] = float(gain.mean()) - SURE_SHARE * float(gain.std()) / np.sqrt(len(gain))
    best = max(gains, key=lambda ridge: gains[ridge])
    return _fit_gate(view, np.ones(len(of_pair), bool), best) if gains[best] > 0 else start


def _start(view: _View) -> Counts:
    start = np.zeros((N_FEATURES, view.shares.shape[1]))
    start[0, 0] = START_WEIGHT
    return start


def _by_user(view: _View, gate: Counts) -> Counts:
    """Nats per event of each user that is asked about, in the order of their rows."""
    users, place = np.unique(view.asked.histories.user_row[view.asked.query], return_inverse=True)
    loss = np.bincount(place, -view.asked.count * np.log(view.mixed(gate)), minlength=len(users))
    return np.asarray(loss / np.bincount(place, view.asked.count, minlength=len(users)), np.float64)


def _fit_gate(view: _View, part: NDArray[np.bool_], ridge: float) -> Counts:
    """Weights of the experts by the mean log score over the users of some pairs."""
    shares, count, start = view.shares[part], view.asked.count[part], _start(view)
    queries, first, query = np.unique(view.asked.query[part], return_index=True, return_inverse=True)
    users = view.asked.histories.user_row[queries][query]
    weight = count / np.bincount(users, count)[users] / len(np.unique(users))
    features = view.features[queries]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        gate = flat.reshape(start.shape)
        weights = softmax(features @ gate)
        parts = weights[query] * shares
        mixed = parts.sum(axis=1)
        # d(-ln Σ w p) / d logit_j = w_j - w_j p_j / Σ w p, summed over the pairs of a query, which stand together.
        by_logit = np.add.reduceat(weight[:, None] * (weights[query] - parts / mixed[:, None]), first)
        by_gate = features.T @ by_logit + 2 * ridge * (gate - start)
        return float(-weight @ np.log(mixed) + ridge * ((gate - start) ** 2).sum()), by_gate.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x, np.float64).reshape(start.shape)


def fit_concentration(asked: Questions, share: NDArray[np.float64], n_known: Counts) -> tuple[float, float]:
    """The concentration, `a` and `b`, under which the counts that came are likeliest.

    `share` [n_pairs] is what was forecast, `n_known` [n_queries] how many events it was read from.
    """

    def loss(ab: NDArray[np.float64]) -> float:
        concentration = concentrations_of((float(ab[0]), float(ab[1])), n_known)
        return -multinomial_likelihood(asked, share, concentration) + 1e-4 * float(ab @ ab)

    found = minimize(loss, np.array([2.0, 0.3]), method="Nelder-Mead", options={"maxiter": 200, "xatol": 1e-2})
    return float(found.x[0]), float(found.x[1])


def _fit_pace(view: _View, horizon: Horizon) -> tuple[float, float]:
    if horizon.days is None:
        return 0.0, 0.0
    promised = promised_events(view.n_faded, view.experts, history_age_days(view.asked.histories), horizon)
    came = view.asked.totals
    there = came > 0
    x, y = np.log1p(promised[there]), np.log(came[there])
    spread = float(((x - x.mean()) ** 2).sum())
    b = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
    # The mean of the counts, not of their logarithms.
    a = float(np.log(came[there].sum() / np.exp(b * x).sum()))
    return a, b


def _scores(view: _View, gate: Counts) -> dict[str, float]:
    """Mean log scores of the mixture and of each expert alone on the questions that the gate was fitted on."""
    named = {"mixture": view.mixed(gate)} | {
        str(expert): view.shares[:, place] for place, expert in enumerate(view.experts)
    }
    return {name: float(view.asked.mean_over_users(-np.log(share))) for name, share in named.items()}
