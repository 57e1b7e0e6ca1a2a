"""Fit the arms of a fold once each, learn the blend over them, and fit all again on the whole training part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from driftline.data.catalog import Catalog
from driftline.data.targets import Fold
from driftline.errors import NotEnoughDataError
from driftline.memory import give_back
from driftline.models.base import FittedModel, Model
from driftline.ranking.blend import NAME, FittedBlend, stacked
from driftline.ranking.expected import Expected
from driftline.ranking.expected_fitting import fit_expected
from driftline.ranking.repeat import own_arms
from driftline.types import Progress


@dataclass(frozen=True)
class Trained:
    """Fitted models by name, the seconds that each took, and why some could not be fitted.

    `expected` is what was learned of items ahead, where that was asked for.
    """

    fitted: Mapping[str, FittedModel]
    seconds: Mapping[str, float]
    skipped: Mapping[str, str] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()

    @property
    def blend(self) -> FittedBlend | None:
        """The blend, where one was asked for."""
        blend = self.fitted.get(NAME)
        return blend if isinstance(blend, FittedBlend) else None


def train(
    models: Mapping[str, Model],
    fold: Fold,
    *,
    catalog: Catalog,
    blend_arms: Sequence[str] | None = None,
    ahead: bool = False,
    dated: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Fit every model on the inner part with `stop` as validation, stack the blend of `blend_arms` on `stack`.

    Then each is fitted again, its choices settled, on the whole training part (MEASUREMENTS: no refit where the inner
    part is the whole). A model that says NotEnoughDataError is left out with its reason; where none is left, the
    first reason is raised. The blend brings an arm of its own where repeats are allowed (`ranking.repeat`). With
    `ahead` the chances of items ahead are learned too, in time only where the data has times (`dated`).
    """
    own = own_arms(fold.stop.repeats) if blend_arms else {}
    models = {**own, **models}
    fitter = _Fitter(fold, catalog, seed, progress, total=2 * len(models))
    inner = {name: fitted for name, model in models.items() if (fitted := fitter.choose(name, model)) is not None}
    if not inner.keys() - own.keys():
        raise NotEnoughDataError(next(iter(fitter.skipped.values()), "expected at least one model, got none"))
    arms = {name: inner[name] for name in [*(blend_arms or ()), *own] if name in inner}
    blend = fitter.stack(arms) if arms else None
    expected = fit_expected(blend, fold, order_only=not dated, seed=seed) if ahead and blend is not None else ()
    final: dict[str, FittedModel] = {name: fitter.settle(name, fitted) for name, fitted in inner.items()}
    if blend is not None:
        final[NAME] = blend.with_arms(final, fold.train)
    shown = {name: one for name, one in final.items() if name not in own}
    return Trained(shown, fitter.seconds, fitter.skipped, expected)


class _Fitter:
    """Fits one model after the other, timing each and telling how far it is."""

    def __init__(self, fold: Fold, catalog: Catalog, seed: int, progress: Progress | None, total: int) -> None:
        self.fold, self.catalog, self.seed, self.progress = fold, catalog, seed, progress
        self.seconds: dict[str, float] = {}
        self.skipped: dict[str, str] = {}
        self._done, self._total = 0, total

    def choose(self, name: str, model: Model) -> FittedModel | None:
        """Fit on the inner part; None (and the reason noted) where there is too little to learn from."""
        began = time.perf_counter()
        try:
            fitted = model.fit(
                self.fold.inner if len(self.fold.inner) else self.fold.train,
                catalog=self.catalog,
                validation=self.fold.stop if len(self.fold.stop) else None,
                seed=self.seed,
                progress=self.progress,
            )
        except NotEnoughDataError as error:
            self.skipped[name] = str(error)
            fitted = None
            self._done += 1  # it will not be fitted a second time either
        self._tell(name, began)
        return fitted

    def stack(self, arms: Mapping[str, FittedModel]) -> FittedBlend:
        """Learn the weights of the arms on the half of the validation users that stopped nobody's training."""
        began = time.perf_counter()
        give_back()  # after all arms are fitted, before the most is held at once
        blend = stacked(arms, self.fold.stack, seed=self.seed)
        give_back()
        self.seconds[NAME] = time.perf_counter() - began
        return blend

    def settle(self, name: str, fitted: FittedModel) -> FittedModel:
        """Fit again on the whole training part with every choice made."""
        began = time.perf_counter()
        if self.fold.inner is not self.fold.train and len(self.fold.inner):
            fitted = fitted.settled().fit(self.fold.train, catalog=self.catalog, seed=self.seed, progress=self.progress)
        self._tell(name, began)
        return fitted

    def _tell(self, name: str, began: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        self._done += 1
        if self.progress:
            self.progress(self._done, self._total, "fit models")
