"""Divide scenes among splits, or among folds: whole scenes, in the wanted proportions.

It is a greedy assignment, the largest scene first, and then an improvement of single moves. Like
scikit-learn's ``StratifiedGroupKFold`` it balances strata with whole groups; unlike it, it leaves
photographs where they are that are placed already, and the proportions may differ.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_MOST_ROUNDS = 5
"""Rounds of moves; two are nearly always enough."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Photographs that belong into one split."""

    key: str
    """A name that does not change with other photographs; decides between equal choices."""
    strata: Mapping[str, int]
    """The photographs of each stratum, such as those with a door; each counts in several."""
    size: int
    """Photographs."""
    place: str | None = None
    """The split that it is in already; None: to be placed."""


def join(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Join items that are linked, directly or through others (union-find).

    Args:
        count: The number of items.
        links: Pairs of items.

    Returns:
        For each item the smallest item of its group.

    >>> join(5, [(0, 3), (4, 3)])
    [0, 1, 2, 0, 0]
    """
    parents = list(range(count))

    def root(item: int) -> int:
        while parents[item] != item:
            parents[item] = item = parents[parents[item]]
        return item

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    return [root(item) for item in range(count)]


def assign(scenes: Sequence[Scene], shares: Mapping[str, float], *, seed: int) -> dict[str, str]:
    """Choose a split for each scene that has none; the order of the scenes does not matter.

    Args:
        scenes: All of them. Those that are placed count, and stay, also in splits without a share.
        shares: The proportion of each split that may get scenes; their sum is 1.
        seed: Decides between equal choices.

    Returns:
        The splits of the new scenes, by their keys. No split with a share is left empty if there
        are scenes enough.
    """
    new = sorted(
        (scene for scene in scenes if scene.place is None),
        key=lambda scene: (-scene.size, _keyed(scene.key, seed)),
    )
    balance = _Balance(scenes, shares)
    chosen: dict[str, str] = {}
    for scene in new:
        chosen[scene.key] = min(shares, key=lambda split: balance.cost_of(scene, split))
        balance.add(scene, chosen[scene.key])
    for split in shares:
        if not balance.sizes[split]:
            _fill(split, new, chosen, balance)
    _improve(new, chosen, balance)
    return chosen


def _keyed(key: str, seed: int) -> str:
    return hashlib.blake2b(key.encode(), key=str(seed).encode()[:64], digest_size=16).hexdigest()


@dataclass(slots=True)
class _Balance:
    """The photographs of each split, and how far their numbers are from the wanted ones."""

    scenes: Sequence[Scene]
    shares: Mapping[str, float]
    sizes: Counter[str] = field(init=False)
    _counts: dict[str, Counter[str]] = field(init=False)
    _totals: Counter[str] = field(init=False)
    _all: int = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = Counter()
        self._counts = {split: Counter() for split in self.shares}
        self._totals = Counter()
        self._all = sum(scene.size for scene in self.scenes)
        for scene in self.scenes:
            if scene.place is None or scene.place in self.shares:
                self._totals.update(self._weighed(scene))
            if scene.place is not None and scene.place in self.shares:
                self.add(scene, scene.place)

    def add(self, scene: Scene, split: str, times: int = 1) -> None:
        """Put a scene into a split; ``times=-1`` takes it out."""
        self.sizes[split] += times * scene.size
        for stratum, count in self._weighed(scene).items():
            self._counts[split][stratum] += times * count

    def cost_of(self, scene: Scene, split: str, times: int = 1) -> float:
        """Return by how much the imbalance grows if the scene is put there, or taken out.

        The imbalance is chi-squared: the sum of (found - wanted)² / total over splits and strata.
        """
        share, counts = self.shares[split], self._counts[split]
        return sum(
            (2 * (counts[stratum] - share * self._totals[stratum]) + times * count)
            * times
            * count
            / self._totals[stratum]
            for stratum, count in self._weighed(scene).items()
        )

    @staticmethod
    def _weighed(scene: Scene) -> dict[str, int]:
        return {"": scene.size, **{name: count for name, count in scene.strata.items() if count}}


def _fill(split: str, new: Sequence[Scene], chosen: dict[str, str], balance: _Balance) -> None:
    """Move one scene into an empty split, from one that keeps another."""
    numbers = Counter(chosen.values())
    movable = [
        scene
        for scene in new
        if numbers[chosen[scene.key]] > 1
        or balance.sizes[chosen[scene.key]] > scene.size  # others are placed there
    ]
    if movable:
        scene = min(movable, key=lambda each: _cost_of_moving(each, split, chosen, balance))
        _move(scene, split, chosen, balance)


def _improve(new: Sequence[Scene], chosen: dict[str, str], balance: _Balance) -> None:
    """Move single scenes while that makes the proportions better, and empties no split."""
    for _ in range(_MOST_ROUNDS):
        is_moved = False
        for scene in new:
            if balance.sizes[chosen[scene.key]] == scene.size:
                continue
            costs = {
                split: _cost_of_moving(scene, split, chosen, balance)
                for split in balance.shares
                if split != chosen[scene.key]
            }
            best = min(costs, key=lambda split: costs[split], default=None)
            if best is not None and costs[best] < -1e-9:
                _move(scene, best, chosen, balance)
                is_moved = True
        if not is_moved:
            return


def _cost_of_moving(
    scene: Scene, split: str, chosen: Mapping[str, str], balance: _Balance
) -> float:
    out = balance.cost_of(scene, chosen[scene.key], times=-1)
    return out + balance.cost_of(scene, split)


def _move(scene: Scene, split: str, chosen: dict[str, str], balance: _Balance) -> None:
    balance.add(scene, chosen[scene.key], times=-1)
    balance.add(scene, split)
    chosen[scene.key] = split
