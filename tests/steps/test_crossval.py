"""Cross-validation by scene: what is measured was not trained on, and nothing is done twice."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container_doors import pipeline
from container_doors.cli.crossval import lines as crossval_lines
from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params, params_with
from container_doors.core.errors import DatasetError, RunError
from container_doors.core.measurements import (
    CorruptionScores,
    CrossValidation,
    Detected,
    Estimate,
    Robustness,
    SeverityScores,
)
from container_doors.core.ports import Detections, Stopping, World
from container_doors.core.records import RunRecord
from container_doors.core.run import TEST_USES, Run
from container_doors.evaluation.folds import pooled_estimate, pooled_robustness
from container_doors.steps.compare import compare_runs
from container_doors.steps.crossval import plan_folds, pool, train_folds, train_last
from container_doors.steps.data.split import SplitOptions, split_data
from container_doors.steps.evaluate import evaluate_split
from container_doors.steps.gate import gate_run
from container_doors.steps.summary import model_card, report_page, summarise
from container_doors.training.claim import earlier_record
from tests.fakes import FakeDetector, FakeProgress, FakeTrainer, FakeWorld, NeverStopping
from tests.trained import PARAMS as ORDINARY

PARAMS = params_with(
    ORDINARY, ["detection.data.min_val_images=2", "detection.training.epochs=3"], where="here"
)
DATASET = Path(PARAMS.data.path)
FOLDS_CSV = DATASET / "folds.csv"
COUNTS = {"train": 9, "val": 3, "test": 2}
NAME = Run("exp1")


@pytest.fixture(autouse=True)
def _in_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fourteen photographs with a door each, but for one of the nine in train; three folds."""
    monkeypatch.chdir(tmp_path)
    for seed, (split, number) in enumerate(
        (split, number) for split, count in COUNTS.items() for number in range(count)
    ):
        pattern = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
        image, label = (DATASET / kind / split / f"{number}" for kind in ("images", "labels"))
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pattern).resize((64, 48)).save(image.with_suffix(".png"))
        door = "" if (split, number) == ("train", 8) else "0 0.5 0.5 0.5 0.75\n"
        label.with_suffix(".txt").write_text(door)
    lines = [f"{split}: images/{split}\n" for split in COUNTS]
    (DATASET / "data.yaml").write_text("".join([*lines, "nc: 1\nnames: [container_door]\n"]))
    split_into_folds(3)


def split_into_folds(count: int) -> None:
    shares = {"train": 0.7, "val": 0.15, "test": 0.15}
    split_data(DATASET, SplitOptions(shares, folds=count), progress=FakeProgress())


def opened(weights: Path, params: Params) -> FakeDetector:
    return FakeDetector()


class WithLuck(FakeDetector):
    """By another seed than 0 it finds no door in the photographs of its number, but an alarm."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def _look(self, image: Path) -> Detections:
        found = super()._look(image)
        if not self.seed or image.stem != str(self.seed):
            return found
        return replace(found, boxes_xyxy=[(0, 0, 4, 4)], confidences=[0.9], is_door=[(False,) * 10])


def cross_validate(
    run: Run = NAME,
    *overrides: str,
    trainer: FakeTrainer | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    is_final: bool = False,
    is_pooled: bool = True,
) -> CrossValidation | None:
    trainer = trainer or FakeTrainer()
    params = params_with(PARAMS, overrides, where="here")
    progress = FakeProgress()

    def open_world(params: Params, progress: FakeProgress, *, stopping: Stopping) -> World:
        detector = WithLuck(params.training.seed)
        return replace(FakeWorld(trainer=trainer, detector=detector).world, stopping=stopping)

    trainings = LocalTrainings(params, progress, stopping=NeverStopping(), open_world=open_world)
    plan = plan_folds(params, run, folds=folds, seeds=seeds, progress=progress)
    train_folds(plan, trainings=trainings, progress=progress)
    if not is_pooled:
        return None
    found = pool(plan, open_detector=opened, progress=progress)
    if is_final:
        train_last(plan, found, trainings=trainings)
    return found


def begin() -> None:
    """Train the first fold, and be killed."""

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(trainer=FakeTrainer(then=die))
    assert earlier_record(NAME.fold(1)) is not None


def rows_of_folds() -> list[dict[str, str]]:
    return list(csv.DictReader(FOLDS_CSV.read_text().splitlines()))


def viewed(run: Run, split: str) -> set[str]:
    """Name the photographs that the trainer sees in a split, as the data set names them."""
    folder = run.data_view / "images" / split
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


def test_each_photograph_is_measured_by_a_model_that_it_had_no_part_in() -> None:
    found = cross_validate()

    assert found
    everything = {f"{split}/{number}.png" for split in ("train", "val")
                  for number in range(COUNTS[split])}  # fmt: skip
    tested = [viewed(Run(one.run), "test") for one in found.folds]
    for run, test in zip(map(Run, (one.run for one in found.folds)), tested, strict=True):
        train, val = viewed(run, "train"), viewed(run, "val")
        assert train | val | test == everything
        assert not train & val
        assert not test & (train | val)
        assert (run.data_view / "labels/test" / min(test)).with_suffix(".txt").is_file()
    assert sorted(name for test in tested for name in test) == sorted(everything)
    pooled = [one.image for one in Detected.read(NAME.out_of_fold).photographs]
    assert pooled == sorted(f"images/{name}" for name in everything)
    assert (found.pooled.photographs, found.pooled.doors) == (12, 11)
    assert found.pooled.scores["recall"].value == 1.0
    assert found.pooled.false_alarms[0].per_photograph.n == 1
    assert [one.best_epoch for one in found.folds] == [2, 2, 2]
    assert CrossValidation.read(NAME.crossval) == found
    assert not TEST_USES.exists()


def test_after_a_kill_no_finished_fold_is_repeated() -> None:
    def die() -> None:
        if dying.trained == 2:
            raise KeyboardInterrupt

    dying, trainer, again = FakeTrainer(then=die), FakeTrainer(), FakeTrainer()

    with pytest.raises(KeyboardInterrupt):
        cross_validate(trainer=dying)
    ids = RunRecord.read(NAME.fold(1).record).run_id
    cross_validate(trainer=trainer, is_pooled=False)
    cross_validate(trainer=again, is_pooled=False)

    assert (dying.trained, trainer.trained, again.trained) == (2, 2, 0)
    assert RunRecord.read(NAME.fold(1).record).run_id == ids


def test_each_fold_is_trained_by_each_seed_and_the_scores_are_the_means(tmp_path: Path) -> None:
    """Of eleven doors the second seed misses two: 1.0 and 9/11 are 10/11 on average, and their
    standard deviation is 2/11 / sqrt(2). The epochs of the last model are those of the first seed,
    so that a last model stays if seeds are added."""
    cross_validate(trainer=FakeTrainer(map50_95=(0.1, 0.2, 0.3)), is_pooled=False)
    found = cross_validate(seeds=2, trainer=FakeTrainer(map50_95=(0.9, 0.2)), is_final=True)

    assert found
    assert [one.run for one in found.folds] == [
        *(f"exp1-fold{number}" for number in (1, 2, 3)),
        *(f"exp1-fold{number}-seed1" for number in (1, 2, 3)),
    ]
    trained = [RunRecord.read(Run(one.run).record).known_params for one in found.folds]
    assert [(one.training.seed, one.data.fold) for one in trained] == [
        (one.seed, one.number) for one in found.folds
    ]
    assert [one.best_epoch for one in found.folds] == [3, 3, 3, 1, 1, 1]
    assert found.epochs == 3
    recall = found.pooled.scores["recall"]
    assert [one.scores["recall"].value for one in found.seeds] == [1.0, 9 / 11]
    assert recall.value == pytest.approx(10 / 11)
    assert recall.low < found.seeds[1].scores["recall"].low
    assert [one.false_alarms for one in found.seeds] == [0, 2]
    between = found.between_seeds["recall"]
    assert (between.lowest, between.highest, between.seeds) == (9 / 11, 1.0, 2)
    assert between.deviation == pytest.approx(2 / 11 / 2**0.5)
    assert (found.spread["recall"].folds, recall.n, found.pooled.doors) == (3, 11, 11)
    assert found.pooled.false_alarms[0].per_photograph.n == 1
    assert CrossValidation.read(NAME.crossval) == found
    assert RunRecord.read(NAME.record).known_params.training.seed == 0

    text = "\n".join(crossval_lines(found))
    assert "exp1, 3 folds pooled by 2 seeds" in text
    assert "deviation  0.1" in text.partition("the spread between the seeds")[2]
    summary = summarise(NAME, tmp_path / "summary.md").read_text()
    assert "| deviation | 0.1" in summary
    assert "Each fold was trained with 2 seeds: each score" in summary
    path = tmp_path / "page.html"
    page = report_page(NAME, path, open_detector=opened, progress=FakeProgress()).read_text()
    assert "Each fold was trained with 2 seeds: the scores" in page


def test_seeds_are_added_without_repeating_one_and_never_left_out() -> None:
    def die() -> None:
        raise KeyboardInterrupt

    dying, trainer, again = FakeTrainer(then=die), FakeTrainer(), FakeTrainer()

    cross_validate(is_pooled=False)
    ids = [RunRecord.read(NAME.fold(number).record).run_id for number in (1, 2, 3)]
    with pytest.raises(KeyboardInterrupt):
        cross_validate(trainer=dying, seeds=2)
    with pytest.raises(RunError, match="--seeds 1: expected at least 2, with which exp1") as caught:
        cross_validate(seeds=1)
    cross_validate(trainer=trainer, is_pooled=False)
    cross_validate(trainer=again, seeds=2, is_pooled=False)

    assert (dying.trained, trainer.trained, again.trained) == (1, 3, 0)
    assert "leave --seeds out" in caught.value.hint
    assert [RunRecord.read(NAME.fold(number).record).run_id for number in (1, 2, 3)] == ids


def test_a_document_of_an_earlier_release_has_no_seeds() -> None:
    cross_validate()
    document = json.loads(NAME.crossval.read_text())
    for one in (document, *document["folds"]):
        for name in ("seeds", "between_seeds", "seed"):
            one.pop(name, None)
    NAME.crossval.write_text(json.dumps(document))

    found = CrossValidation.read(NAME.crossval)

    assert (found.seeds, found.folds[0].seed, found.number_of_folds) == ([], None, 3)
    assert compare_runs(
        NAME, NAME, "folds", open_detector=opened, progress=FakeProgress()
    ).scope.startswith("this compares two trained models")


def change_a_label() -> None:
    (DATASET / "labels/train/0.txt").write_text("0 0.5 0.5 0.4 0.75\n")


def change_a_fold() -> None:
    first, *others = FOLDS_CSV.read_text().splitlines()
    others[0] = others[0][:-1] + ("2" if others[0].endswith("1") else "1")
    FOLDS_CSV.write_text("\n".join([first, *others, ""]))


@pytest.mark.parametrize(
    ("change", "overrides", "match"),
    [
        (lambda: None, ["detection.training.seed=1"], r"exp1-fold1 .*training\.seed 0 -> 1"),
        (change_a_label, [], "labels or folds.csv"),
        (change_a_fold, [], "labels or folds.csv"),
    ],
    ids=["params", "label", "fold"],
)
def test_what_was_begun_with_other_settings_is_not_continued(
    change: Callable[[], None], overrides: Sequence[str], match: str
) -> None:
    begin()
    change()

    with pytest.raises(RunError, match=match):
        cross_validate(NAME, *overrides)


def without_folds() -> None:
    FOLDS_CSV.unlink()


def with_a_fold_without_door() -> None:
    for row in rows_of_folds():
        if row["fold"] == "2":
            label = row["image"].replace("images/", "labels/").replace(".png", ".txt")
            (DATASET / label).write_text("")


def with_a_scene_in_two() -> None:
    first = {row["fold"]: row["image"] for row in rows_of_folds()}
    rows = "".join(f"{first[fold]},yard\n" for fold in ("1", "2"))
    (DATASET / "attributes.csv").write_text(f"image,group\n{rows}")


def with_a_photograph_without_fold() -> None:
    lines = FOLDS_CSV.read_text().splitlines(keepends=True)
    FOLDS_CSV.write_text("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("spoil", "folds", "match", "hint"),
    [
        (without_folds, None, "no folds", "--folds 5"),
        (with_a_fold_without_door, None, "found none in fold 2", "--folds 3"),
        (with_a_scene_in_two, None, "'yard' in", "--folds 3: it joins them"),
        (with_a_photograph_without_fold, None, "found none for 1", "--folds 3: those that"),
        (lambda: None, 4, "--folds 4: the data set has 3 folds", "--folds 4"),
    ],
    ids=["none", "no door", "scene", "new photograph", "another number"],
)
def test_folds_that_cannot_be_used_are_refused(
    spoil: Callable[[], None], folds: int | None, match: str, hint: str
) -> None:
    spoil()
    trainer = FakeTrainer()

    with pytest.raises(DatasetError, match=match) as caught:
        cross_validate(trainer=trainer, folds=folds)

    assert hint in caught.value.hint
    assert trainer.trained == 0


def test_folds_that_leave_too_few_photographs_are_refused_before_one_is_trained() -> None:
    trainer = FakeTrainer()
    least = ["detection.data.min_train_images=8", "detection.data.min_val_images=3"]

    with pytest.raises(DatasetError, match=r"expected 8 photographs .* found 4 in train") as caught:
        cross_validate(NAME, *least, trainer=trainer, is_pooled=False)

    assert trainer.trained == 0
    settings = [word for word in caught.value.hint.split() if "=" in word]
    assert settings == ["detection.data.min_train_images=4"]
    cross_validate(NAME, *least, *settings, trainer=trainer, is_pooled=False)
    assert trainer.trained == 3


def test_the_minimum_that_a_hint_names_is_one_that_the_splits_have_too() -> None:
    """Each fold has four photographs, and val has three."""
    trainer = FakeTrainer()
    with pytest.raises(DatasetError, match="found 4 in train and 4 in val") as caught:
        cross_validate(NAME, "data.min_train_images=9", "data.min_val_images=9", trainer=trainer)

    settings = [word for word in caught.value.hint.split() if "=" in word]
    cross_validate(NAME, *settings, trainer=trainer, is_pooled=False)
    assert trainer.trained == 3


def test_the_hint_for_folds_that_divide_a_scene_works() -> None:
    with_a_scene_in_two()
    split_into_folds(3)

    cross_validate(is_pooled=False)


def test_the_last_model_is_trained_on_train_and_val_and_judged_by_the_folds(
    tmp_path: Path,
) -> None:
    found = cross_validate(trainer=FakeTrainer(map50_95=(0.2, 0.7, 0.5)), is_final=True)

    record = earlier_record(NAME)
    assert record is not None
    assert found
    assert (record.status, record.best_epoch) == ("finished", 3)  # the fake trains three
    assert (record.known_params.training.epochs, record.known_params.training.patience) == (2, 0)
    assert record.dataset.splits["train"].images == 12
    assert {*record.dataset.splits} == {"train", "test"}
    assert len(viewed(NAME, "train")) == 12
    assert NAME.best_weights.read_text() == "weights of epoch 3"
    assert CrossValidation.read(NAME.crossval) == found

    rows = gate_run(NAME, at_the_point=True, open_detector=opened, progress=FakeProgress())
    assert [row.what for row in rows][:3] == ["folds mAP50", "folds mAP50-95", "test mAP50"]
    assert rows[1].measured == str(found.pooled.scores["mAP50-95"])
    summary = summarise(NAME, tmp_path / "summary.md").read_text()
    assert "| Cross-validated mAP@50 | > 0.90 | 0.995 |" in summary
    assert "| 1 | 4 | 4 | 2 | 1.000 |" in summary
    assert "| mean |  |  |  | 1.000 |" in summary
    progress = FakeProgress()
    page = report_page(NAME, tmp_path / "page.html", open_detector=opened, progress=progress)
    assert 'id="folds"' in page.read_text()
    card = model_card(NAME, tmp_path / "card.md", open_detector=opened, progress=progress)
    assert "### folds: 12 photographs, 11 doors" in card.read_text()
    with pytest.raises(RunError, match="exp1 was trained on val"):
        evaluate_split(NAME, "val", open_detector=opened, progress=progress)


def test_a_last_model_of_fewer_epochs_has_the_mean_of_all_of_them() -> None:
    """The folds were best in their second and third epochs: the median is taken by hand here."""
    mean = ("detection.training.average_last=3", "detection.training.patience=0")
    found = cross_validate(NAME, *mean)
    assert found is not None
    shorter = found.model_copy(update={"epochs": 2})
    plan = plan_folds(
        params_with(PARAMS, mean, where="here"),
        NAME, folds=None, seeds=None, progress=FakeProgress(),
    )  # fmt: skip
    trainings = LocalTrainings(
        PARAMS,
        FakeProgress(),
        stopping=NeverStopping(),
        open_world=lambda params, progress, *, stopping: FakeWorld().world,
    )

    train_last(plan, shorter, trainings=trainings)

    training = RunRecord.read(NAME.record).known_params.training
    assert (training.epochs, training.average_last) == (2, 2)


def test_the_name_of_a_sweep_is_refused_before_anything_is_trained() -> None:
    NAME.directory.mkdir(parents=True)
    NAME.sweep_db.touch()

    with pytest.raises(RunError, match="is a sweep"):
        cross_validate()
    assert not NAME.fold(1).has_record


def test_two_cross_validations_are_compared_photograph_by_photograph() -> None:
    cross_validate()
    cross_validate(Run("exp2"), "detection.validation.conf_threshold=0.95")

    found = compare_runs(NAME, Run("exp2"), "folds", open_detector=opened, progress=FakeProgress())

    assert (found.photographs, found.doors, found.looks) == (12, 11, None)
    assert [side.doors_found for side in found.sides] == [11, 0]
    assert found.by["recall"].value == -1.0
    with pytest.raises(RunError, match="exp3 was not cross-validated"):
        compare_runs(NAME, Run("exp3"), "folds", open_detector=opened, progress=FakeProgress())
    fold = Run("exp2-fold1")
    with pytest.raises(RunError, match="exp2-fold1 was not cross-validated") as caught:
        compare_runs(NAME, fold, "folds", open_detector=opened, progress=FakeProgress())
    assert caught.value.hint == "it is a fold of exp2: name that one"


def test_two_ways_of_training_are_compared_by_several_seeds_of_each() -> None:
    """The second seed of one way misses two of eleven doors, that of the other none."""
    lucky, steady, single = Run("lucky"), Run("steady"), Run("single")
    found = cross_validate(lucky, seeds=2)
    assert found
    for run, seeds in ((steady, found.seeds), (single, [])):
        found.model_copy(update={"seeds": seeds}).write(run.crossval)
        Detected.read(lucky.out_of_fold).write(run.out_of_fold)
    Detected.read(lucky.out_of_fold).write(steady.out_of_fold_of(1))
    progress = FakeProgress()

    both = compare_runs(lucky, steady, "folds", open_detector=opened, progress=progress)
    mixed = compare_runs(single, lucky, "folds", open_detector=opened, progress=progress)

    assert both.scope == (
        "this compares two ways of training, over 2 seeds and 3 folds: these intervals are over "
        "photographs and trainings"
    )
    assert [side.doors_found for side in both.sides] == [10, 11]
    assert both.by["recall"].value == pytest.approx(1 / 11)
    assert "0 instead of 1 false alarms" in both.verdict
    assert mixed.scope.startswith("this compares two trained models, not the two ways of training")
    assert mixed.scope.endswith("doors crossval --seeds 2 --experiment single")
    assert [side.doors_found for side in mixed.sides] == [11, 11]
    steady.out_of_fold_of(1).unlink()
    with pytest.raises(RunError, match="detections of a seed of steady are lost"):
        compare_runs(steady, lucky, "folds", open_detector=opened, progress=progress)


def test_a_pooled_estimate_is_weighted_and_as_wide_as_the_folds_differ() -> None:
    """By hand: value = (10*0.5 + 30*0.9) / 40 = 0.8; the folds' sums are off by 10*-0.3 = -3 and
    30*0.1 = 3, so the deviation is sqrt(2/1 * (9 + 9)) / 40 = 0.15; t(1, 97.5 %) = 12.706."""
    folds = [Estimate(value=v, low=0, high=1, n=n, of="doors") for v, n in ((0.5, 10), (0.9, 30))]

    pooled = pooled_estimate(folds)

    assert round(pooled.value, 9) == 0.8
    assert (pooled.n, pooled.low, pooled.high) == (40, 0.0, 1.0)
    same = [Estimate(value=0.8, low=0, high=1, n=20, of="doors")] * 2
    wilson = pooled_estimate(same)
    assert (round(wilson.low, 3), round(wilson.high, 3)) == (0.652, 0.895)


def test_a_run_of_its_own_is_not_replaced_by_a_last_model() -> None:
    pipeline.train(PARAMS, NAME, world=FakeWorld().world)

    with pytest.raises(RunError, match="exp1 is a run of its own"):
        cross_validate()


def robustness(
    recalls: tuple[float, float], doors: int, *, conf_threshold: float = 0.25
) -> Robustness:
    """Clean, and at one severity of darkness."""
    clean, dark = (
        SeverityScores(
            severity=severity,
            ap50=Estimate(value=recall / 2, low=0, high=1, n=doors, of="doors"),
            recall=Estimate(value=recall, low=0, high=1, n=doors, of="doors"),
        )
        for severity, recall in zip((0, 0.5), recalls, strict=True)
    )
    ladder = CorruptionScores(name="darkness", unit="brightness", steps=[dark], falls_at=None)
    return Robustness(
        files_sha256="a" * 64, attributes_sha256=None, split="test", photographs=doors, doors=doors,
        conf_threshold=conf_threshold, recall_target=0.9, clean=clean, ladders=[ladder],
        mean_ap50=None, retention=None, not_measured=[], looks=None,
    )  # fmt: skip


def test_robustness_is_pooled_by_doors_and_only_where_it_was_measured_in_the_same_way() -> None:
    """By hand: clean (10 * 1.0 + 30 * 0.96) / 40 = 0.97, in the dark (10 * 0.5 + 30 * 0.7) / 40 =
    0.65; AP50 is half of each, so 0.65 / 0.97 is retained."""
    folds = [robustness((1.0, 0.5), 10), robustness((0.96, 0.7), 30)]

    pooled = pooled_robustness(folds, files_sha256="b" * 64)

    assert pooled
    assert pooled.clean.recall
    assert pooled.retention
    assert round(pooled.clean.recall.value, 9) == 0.97
    assert (pooled.ladders[0].falls_at, pooled.doors) == (0.5, 40)
    assert round(pooled.retention, 6) == round(0.65 / 0.97, 6)
    other = robustness((1.0, 0.5), 10, conf_threshold=0.5)
    assert pooled_robustness([*folds, other], files_sha256="b" * 64) is None
