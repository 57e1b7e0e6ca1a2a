"""Fitting forecasts: experts on earlier origins, their weights and the spread of what comes on later ones."""

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
from driftline.interest.fitting import EVENTS, PRIORS, Questions, candidates, multinomial_likelihood
from driftline.interest.forecast import HorizonModel
from driftline.interest.horizons import Asked, Horizon, ask
from driftline.interest.state import Counts, Evidence, HalfLife
from driftline.interest.topics import Topics

SHORTER_BY = 6.0
RIDGE = 1e-3
LEAST_LATER = 50
"""With fewer questions on the later origins the weights are fitted on all of them."""
START_WEIGHT = 2.0
"""How far the expert that is best alone leads the others before anything is learned, in logits."""


def fit_horizon(
    log: EventLog, topics: Topics, dynamics: Dynamics, horizon: Horizon, *, seed: int = 0
) -> HorizonModel | None:
    """Fit one horizon; None where the log is too short to ask anything of it. `log` holds positive events."""
    asked = ask(log, topics, horizon, seed=seed)
    if not len(asked.questions.query):
        return None
    earlier, later = _halves(asked)
    experts = choose_experts(log, topics, dynamics, earlier)
    view = _View(log, topics, dynamics, experts, later)
    gate = _fit_gate(view)
    a, b = _fit_concentration(view, gate)
    return HorizonModel(horizon, experts, gate, (a, b), _fit_pace(view, horizon), _scores(view, gate))


def choose_experts(log: EventLog, topics: Topics, dynamics: Dynamics, asked: Questions) -> tuple[Expert, ...]:
    """The half-life that is best alone, a shorter one, the whole history, the best in event time, and everybody.

    Each with the prior strength that is best for it. The first is the exponentially weighted baseline.
    """
    prior = asked.at_pairs(dynamics.priors(log, topics, asked.histories.at_us))
    evidence = Evidence.of(asked.histories, dynamics.ratings)
    tried: dict[HalfLife, tuple[float, float]] = {}

    def loss(half_life: HalfLife) -> float:
        if half_life not in tried:
            tried[half_life] = _best_prior(evidence, topics, half_life, asked, prior)
        return tried[half_life][0]

    main = min(candidates(log, order_only=dynamics.order_only), key=loss)
    shorter = _shorter(main, candidates(log, order_only=dynamics.order_only))
    whole = HalfLife(events=np.inf) if dynamics.order_only else HalfLife(days=np.inf)
    by_events = min((HalfLife(events=one) for one in EVENTS), key=loss)
    kept = dict.fromkeys((main, shorter, whole, by_events))
    for one in kept:
        loss(one)
    return (*(Expert(one, tried[one][1]) for one in kept), Expert())


def _best_prior(
    evidence: Evidence, topics: Topics, half_life: HalfLife, asked: Questions, prior: NDArray[np.float64]
) -> tuple[float, float]:
    counts = evidence.counts(topics, half_life)
    total = np.asarray(counts.sum(axis=1), np.float64).ravel()[asked.query, None]
    share = (asked.at_pairs(counts)[:, None] + PRIORS * prior[:, None]) / (total + PRIORS)
    losses = asked.mean_over_users(-np.log(share))
    return float(losses.min()), float(PRIORS[int(np.argmin(losses))])


def _shorter(main: HalfLife, options: tuple[HalfLife, ...]) -> HalfLife:
    """The option closest to a sixth of the main half-life (of the longest finite one, where that is the whole)."""
    finite = [one for one in options if np.isfinite(one.length)] or [main]
    goal = min(main.length, max(one.length for one in finite)) / SHORTER_BY
    return min(finite, key=lambda one: abs(np.log(one.length / goal)))


def _halves(asked: Asked) -> tuple[Questions, Questions]:
    """Questions of the earlier and of the later origins; all, twice, where a half would be too small."""
    middle = (asked.origin.max() + 1) / 2
    later = asked.origin >= middle
    if later.all() or later.sum() < LEAST_LATER or (~later).sum() < LEAST_LATER:
        return asked.questions, asked.questions
    return asked.part(~later), asked.part(later)


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


def _fit_gate(view: _View) -> Counts:
    """Weights of the experts by the mean log score over users, from a start at which the best one alone leads."""
    asked, n_experts = view.asked, view.shares.shape[1]
    users = asked.histories.user_row[asked.query]
    weight = asked.count / np.bincount(users, asked.count)[users] / len(np.unique(users))
    start = np.zeros((N_FEATURES, n_experts))
    start[0, 0] = START_WEIGHT

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        gate = flat.reshape(N_FEATURES, n_experts)
        weights = softmax(view.features @ gate)[asked.query]
        mixed = (weights * view.shares).sum(axis=1)
        # d(-ln Σ w p) / d logit_j = w_j - w_j p_j / Σ w p
        by_logit = weight[:, None] * (weights - weights * view.shares / mixed[:, None])
        by_gate = view.features[asked.query].T @ by_logit + 2 * RIDGE * (gate - start)
        return float(-weight @ np.log(mixed) + RIDGE * ((gate - start) ** 2).sum()), by_gate.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(found.x, np.float64).reshape(N_FEATURES, n_experts)


def _fit_concentration(view: _View, gate: Counts) -> tuple[float, float]:
    """The concentration, `a` and `b`, under which the counts that came are likeliest."""
    share = view.mixed(gate)

    def loss(ab: NDArray[np.float64]) -> float:
        concentration = np.exp(np.clip(ab[0] + ab[1] * np.log1p(view.n_faded), -5, 12))
        return -multinomial_likelihood(view.asked, share, concentration) + 1e-4 * float(ab @ ab)

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
