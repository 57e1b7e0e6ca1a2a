"""Every exception that Driftline raises on purpose, as one tree.

    DriftlineError                 the work failed (exit code 1)
    ├── RequestError               what was asked for is wrong (exit code 2)
    │   ├── DatasetError           a dataset folder or file that cannot be used as it is
    │   ├── SettingsError          a setting that is unknown or out of range
    │   ├── UnknownUserError       a user id that the run has never seen
    │   ├── UnknownItemError       an item id that the run has never seen
    │   ├── UnknownModelError      a short name of a model that does not exist
    │   └── MissingExtraError      an optional library is needed and not installed
    ├── NotEnoughDataError         there is too little to learn or to measure from
    ├── RunError                   a saved model or run is damaged or from another version
    ├── SaveError                  writing failed; what was there before is still there
    └── InvalidScoreError          a model returned NaN or the wrong shape

A message says what was expected, what came, and what to do. It is one line.
"""

from __future__ import annotations


class DriftlineError(Exception):
    """The root: the work failed."""

    exit_code = 1


class RequestError(DriftlineError):
    """What was asked for is wrong; asking differently helps."""

    exit_code = 2


class DatasetError(RequestError):
    """A dataset folder or file cannot be used as it is."""


class SettingsError(RequestError):
    """A setting is unknown or out of range."""


class UnknownUserError(RequestError):
    """A user id that the log or run has never seen."""


class UnknownItemError(RequestError):
    """An item id that the log or run has never seen."""


class UnknownModelError(RequestError):
    """No model has this short name."""


class MissingExtraError(RequestError):
    """An optional library is needed; the message names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional library: pip install 'driftline[{extra}]'")


class NotEnoughDataError(DriftlineError):
    """There is too little to learn or to measure from."""


class RunError(DriftlineError):
    """A saved model or run is damaged, incomplete or from another version."""


class SaveError(DriftlineError):
    """Writing failed; what was there before is still there."""


class InvalidScoreError(DriftlineError):
    """A model returned NaN or an array of the wrong shape."""
