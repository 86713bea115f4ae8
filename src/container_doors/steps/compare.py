"""Compares two runs on the same photographs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from container_doors.core.errors import RunError
from container_doors.core.measurements import FOLDS, Detected, Estimate, UseCounts
from container_doors.core.ports import Progress
from container_doors.core.run import Run
from container_doors.data.attributes import Attributes
from container_doors.data.labelled import require_layout
from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import (
    FALSE_ALARMS,
    count_alarms,
    mean_differences,
    sentence,
)
from container_doors.evaluation.scores import mean_scores
from container_doors.reporting.figures import count
from container_doors.steps.detections import (
    OpenDetector,
    count_test_use,
    detect,
    known_attributes,
    photographs_sha256,
    scenes_of,
    trained,
)
from container_doors.steps.out_of_fold import read_seeds

SCOPE = (
    "this compares two trained models, not the two ways of training: another seed gives another "
    "model, and these intervals are over photographs only"
)

_SCOPE_OF_TRAININGS = (
    "this compares two ways of training, over {seeds} and {folds}: these intervals are over "
    "photographs and trainings"
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models, or the mean of several trainings, at its operating point."""

    name: str
    conf_threshold: float
    scores: dict[str, Estimate]
    """By the names in ``docs/metrics.md``; an undefined score is absent."""
    doors_found: float
    false_alarms: float
    """On all photographs, also those with a door."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of two models, or ways of training, on the same photographs; their differences."""

    split: str
    photographs: int
    doors: int
    sides: tuple[Side, Side]
    by: dict[str, Estimate]
    """The second minus the first; of false alarms, per photograph. Without those in ``same``."""
    same: list[str]
    """The scores in which both cannot differ, because they have the same weights and settings."""
    verdict: str
    scope: str
    """What the verdict does not say."""
    looks: UseCounts | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a model detected; of a cross-validation with several seeds, by each seed."""

    detected: Sequence[Detected]
    matched: Sequence[Sequence[MatchedPhotograph]]
    """The photographs by name, matched for each."""
    conf_threshold: float
    folds: int | None = None

    @property
    def first(self) -> "_Seen":
        """What was detected by the first seed alone."""
        return replace(self, detected=self.detected[:1], matched=self.matched[:1])


def compare_runs(
    first: Run, second: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> Comparison:
    """Estimate in which scores the second run is better or worse, photograph by photograph.

    On the folds, two cross-validations are compared: in each photograph the two models that were
    not trained on it. If both have several seeds, they are compared as ways of training: by the
    means, with the variance between trainings in the intervals. If one alone has, its first seed is
    compared.

    Raises:
        RunError: If they were not measured on the same photographs with the same labels, or if
            doors are in fewer than four scenes.
    """
    runs = (first, second)
    both = tuple(
        _seen_in_folds(run, progress)
        if split == FOLDS
        else _seen(run, split, open_detector=open_detector, progress=progress)
        for run in runs
    )
    scope = _scope(runs, both)
    if min(len(one.detected) for one in both) == 1:
        both = tuple(one.first for one in both)
    its, others = both
    _refuse_different_data(runs, both, split)
    same = _scores_that_are_the_same(its, others)
    by = {
        name: of
        for name, of in mean_differences(
            its.matched, others.matched, are_same_trainings=_weights(its) == _weights(others)
        ).items()
        if name not in same
    }
    sides = (_side(first, its), _side(second, others))
    names = first.label, second.label
    if FALSE_ALARMS in same:
        verdict = f"{names[0]} and {names[1]} have the same weights: there is no difference"
    elif not by:
        raise RunError(
            f"{split} has doors in fewer than four scenes: nothing can be compared",
            hint="choose the other split, or add photographs",
        )
    else:
        verdict = sentence(names, by, (sides[0].false_alarms, sides[1].false_alarms))
        verdict += _different_thresholds(names, (its, others))
    uses = [
        None if split != "test" else count_test_use(run, one.detected[0], None, progress=progress)
        for run, one in zip(runs, both, strict=True)
    ]
    return Comparison(
        split,
        photographs=len(its.matched[0]),
        doors=sum(len(of.found) for of in its.matched[0]),
        sides=sides,
        by=by,
        same=same,
        verdict=verdict,
        scope=scope,
        looks=uses[-1] if split == "test" else None,
    )


def _seen(run: Run, split: str, *, open_detector: OpenDetector, progress: Progress) -> _Seen:
    record, layout = trained(run)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    threshold = record.known_params.validation.conf_threshold
    return _matched([detected], known_attributes(layout, progress), threshold)


def _seen_in_folds(run: Run, progress: Progress) -> _Seen:
    found, detected = read_seeds(run)
    attributes = known_attributes(require_layout(Path(found.dataset_path)), progress)
    seen = _matched(detected, attributes, found.pooled.conf_threshold)
    return replace(seen, folds=found.number_of_folds)


def _matched(detected: Sequence[Detected], attributes: Attributes, conf_threshold: float) -> _Seen:
    by_name = [
        one.model_copy(update={"photographs": sorted(one.photographs, key=lambda of: of.image)})
        for one in detected
    ]
    return _Seen(
        by_name,
        [
            match_photographs(
                one.photographs, scenes_of(one, attributes), conf_threshold=conf_threshold
            )
            for one in by_name
        ],
        conf_threshold,
    )


def _scope(runs: Sequence[Run], both: Sequence[_Seen]) -> str:
    """Say what is compared: models, or ways of training."""
    seeds = [len(one.detected) for one in both]
    if min(seeds) > 1:
        return _SCOPE_OF_TRAININGS.format(
            seeds=count(seeds[0], "seed") if len({*seeds}) == 1 else
            " and ".join(f"{count(many, 'seed')} of {run.label}"
                         for many, run in zip(seeds, runs, strict=True)),
            folds=count(both[0].folds or 1, "fold"),
        )  # fmt: skip
    if max(seeds) == 1:
        return SCOPE
    (_, one), (many, several) = sorted(zip(seeds, runs, strict=True), key=lambda of: of[0])
    return (
        f"{SCOPE}. {several.label} has {many} seeds, of which the first was compared; the ways of "
        f"training are, with several of {one.label}: "
        f"doors crossval --seeds {many} --experiment {one.name}"
    )


def _refuse_different_data(runs: Sequence[Run], both: Sequence[_Seen], split: str) -> None:
    labels = " and ".join(run.label for run in runs)
    if len({photographs_sha256(each) for one in both for each in one.detected}) > 1:
        raise RunError(
            f"{labels} have different photographs or labels in {split}",
            hint="models can only be compared on the same ones: train both on one data set",
        )
    its, others = ([of.scene for of in one.matched[0]] for one in both)
    if its != others:
        raise RunError(
            f"{labels} have different scenes in {split}: the attributes.csv of their data sets "
            "differ",
            hint="copy the right one beside the other data.yaml",
        )


def _scores_that_are_the_same(one: _Seen, other: _Seen) -> list[str]:
    """Name the scores in which the same weights cannot differ, whatever the photographs are.

    Such a difference has no interval.
    """
    if _weights(one) != _weights(other):
        return []
    is_used_alike = _use(one) == _use(other)
    return ["AP50", "AP50-95", *(["precision", "recall", FALSE_ALARMS] if is_used_alike else [])]


def _weights(seen: _Seen) -> list[tuple[str, int]]:
    return [(one.weights_sha256, one.image_size_px) for one in seen.detected]


def _use(seen: _Seen) -> dict[str, float]:
    return {"confidence": seen.conf_threshold, "NMS IoU": seen.detected[0].iou_threshold}


def _different_thresholds(names: tuple[str, str], both: tuple[_Seen, _Seen]) -> str:
    """Return a sentence with the thresholds in use, if the runs have different ones."""
    one, other = map(_use, both)
    each = [
        f"{what} {one[what]:g} of {names[0]} and {other[what]:g} of {names[1]}"
        for what in one
        if one[what] != other[what]
    ]
    if not each:
        return ""
    return (
        ". Precision, recall and false alarms are at different thresholds, so part of the "
        f"difference may be theirs: {', '.join(each)}"
    )


def _side(run: Run, seen: _Seen) -> Side:
    scores, _ = mean_scores(seen.matched)
    return Side(
        run.label,
        seen.conf_threshold,
        scores,
        doors_found=_mean(sum(one.hits for one in matched) for matched in seen.matched),
        false_alarms=_mean(map(count_alarms, seen.matched)),
    )


def _mean(counts: Iterable[int]) -> float:
    """Return the mean of several trainings; of one, its count as it is."""
    first, *others = counts
    return mean([first, *others]) if others else first
