"""NNCF's quantisation with accuracy control; implements :class:`exporting.Quantize`."""

import logging
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container_doors.adapters.distributions import version_of
from container_doors.adapters.machine import missing_extra
from container_doors.adapters.openvino.importing import compute_in_float32, import_openvino
from container_doors.adapters.quiet import output_aside
from container_doors.core.child_environment import hide_secrets
from container_doors.prediction.exporting import Built, Examples

_MOST_RANKED = 50
"""Photographs on which each layer's part in a loss is estimated."""

_MOST_RESTORED = 20
"""Layers that are given back their precision; with more, eight bits would gain nothing."""

_METADATA = "metadata.yaml"
_LAYER = re.compile(r"model\.(\d+)(?=\D|$)")


@hide_secrets()
def quantize(source: Path, folder: Path, examples: Examples) -> Built:
    """Quantise a network; see :class:`exporting.Quantize`.

    Raises:
        MissingToolError: If OpenVINO or NNCF is not installed.
    """
    openvino = import_openvino()
    compute_in_float32()
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(source)

    def score(compiled: Any, photographs: Iterable[Path]) -> tuple[float, None]:  # noqa: ANN401
        return examples.score(_computing(compiled), list(photographs)), None

    with output_aside():  # it draws bars on standard output
        quantized = nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(list(examples.calibration), examples.prepare),
            nncf.Dataset(list(examples.validation), examples.prepare),
            score,
            max_drop=examples.most_lost,
            preset=nncf.QuantizationPreset.MIXED,  # SiLU's output is not symmetric
            subset_size=len(examples.calibration),
            ignored_scope=nncf.IgnoredScope(names=head_of(model)),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=min(_MOST_RANKED, len(examples.validation)),
                max_num_iterations=_MOST_RESTORED,
                num_ranking_workers=1,
            ),
        )
    openvino.save_model(quantized, folder / "model.xml", compress_to_fp16=False)
    shutil.copy(source.with_name(_METADATA), folder / _METADATA)
    return Built(
        {name: folder / name for name in ("model.xml", "model.bin", _METADATA)},
        input_shape="dynamic",
        runtime=f"openvino {version_of('openvino')}, nncf {version_of('nncf')}",
    )


def head_of(model: Any) -> list[str]:  # noqa: ANN401 - openvino.Model
    """Name the operations of the detection head, which is the last of the numbered layers.

    Its boxes and confidences are of very different sizes: in eight bits, boxes jump.
    """
    # SiLU is one module in all layers, so each of its operations has the name of the last.
    operations = [one for one in model.get_ordered_ops() if one.get_type_name() != "Swish"]
    names = [one.get_friendly_name() for one in operations]
    numbers = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
    last = max(numbers.values(), default=None)
    return [name for name, number in numbers.items() if number == last]


def _computing(compiled: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:  # noqa: ANN401
    def compute(prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(compiled([prepared])[0])

    return compute
