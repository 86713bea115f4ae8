"""The trials of a sweep in Optuna's SQLite database, which other tools of Optuna read as well."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from container_doors.adapters.optuna.sampler import distributions
from container_doors.core.errors import RunError
from container_doors.core.files import make_folder
from container_doors.core.sweeps import Space, Trial
from container_doors.sweeps.space import contains
from container_doors.sweeps.trials import is_over

_TRIAL, _DEFINITION = "container_doors", "container_doors_definition"
"""The attributes that hold ours; what Optuna has besides is for its own tools."""

_LITTLE = 2**20
"""Bytes: with less left, SQLite has several words for a disk that is full."""


class OptunaLedger:
    """A :class:`sweeps.trials.Ledger` in one file.

    Each change is one transaction of SQLite, so that a kill leaves a trial as a whole or not at
    all. Our own attribute is written before Optuna's state; :meth:`trials` mends a difference.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        """Open the database, or make it.

        Args:
            path: The file.
            name: Of the study in it.

        Raises:
            ModuleNotFoundError: If Optuna is not installed.
            RunError: If the file is no such database.
        """
        import optuna

        self._optuna: Any = optuna
        self._path = path
        make_folder(path.parent)
        with self._errors_explained():
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self._storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
            study = optuna.create_study(
                storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
            )
            self._study = self._storage.get_study_id_from_name(study.study_name)

    def definition(self) -> dict[str, object] | None:
        """Return what the sweep was begun with; None if it is new."""
        with self._errors_explained():
            found = self._storage.get_study_user_attrs(self._study).get(_DEFINITION)
        return found if isinstance(found, dict) else None

    def define(self, definition: dict[str, object]) -> None:
        """Keep what the sweep is begun with."""
        with self._errors_explained():
            self._storage.set_study_user_attr(self._study, _DEFINITION, definition)

    def trials(self) -> list[Trial]:
        """Return all trials, in order of their numbers."""
        found = []
        with self._errors_explained():
            for frozen in self._storage.get_all_trials(self._study):
                trial = Trial.model_validate(frozen.user_attrs[_TRIAL])
                if is_over(trial) and not frozen.state.is_finished():
                    self._tell(frozen._trial_id, trial)  # noqa: SLF001 - Optuna has no other name
                found.append(trial)
        return sorted(found, key=lambda one: one.number)

    def begin(self, trial: Trial, space: Space) -> None:
        """Add a trial, in one transaction."""
        inside = {key: axis for key, axis in space.items() if contains(axis, trial.values[key])}
        frozen = self._optuna.trial.create_trial(
            state=self._optuna.trial.TrialState.RUNNING,
            params={key: trial.values[key] for key in inside},
            distributions=distributions(inside),
            user_attrs={_TRIAL: trial.model_dump(mode="json")},
        )
        with self._errors_explained():
            self._storage.create_new_trial(self._study, template_trial=frozen)

    def end(self, trial: Trial) -> None:
        """Keep how a trial ended."""
        with self._errors_explained():
            own = self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number)
            if self._storage.get_trial(own).state.is_finished():
                return
            self._storage.set_trial_user_attr(own, _TRIAL, trial.model_dump(mode="json"))
            self._tell(own, trial)

    def _tell(self, own: int, trial: Trial) -> None:
        for epoch, value in trial.curve.items():
            self._storage.set_trial_intermediate_value(own, epoch, value)
        states = self._optuna.trial.TrialState
        state = {"finished": states.COMPLETE, "pruned": states.PRUNED}.get(
            trial.outcome, states.FAIL
        )
        values = None if trial.score is None else [trial.score]
        self._storage.set_trial_state_values(own, state, values)

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        """Raise what SQLite refuses as what it is: a full disk, or a damaged file."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (self._optuna.exceptions.OptunaError, SQLAlchemyError) as error:
            cause = error.__cause__ or error
            why = str(getattr(cause, "orig", None) or cause).partition("\n")[0]
            where = str(self._path)
            if "full" in why or shutil.disk_usage(self._path.parent).free < _LITTLE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where) from error
            raise self._unusable(why) from error
        except (KeyError, ValidationError):
            raise self._unusable("it has trials of another program") from None

    def _unusable(self, why: str) -> RunError:
        return RunError(
            f"{self._path} cannot be used: {why}",
            hint=f"restore a copy of it; or move {self._path.parent} away, and start the sweep "
            "again: finished trials of the same values are not trained again",
        )
