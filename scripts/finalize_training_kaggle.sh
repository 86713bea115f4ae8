#!/usr/bin/env bash
# Describe, track and push the published model; do nothing if it is of another experiment.
#
#   bash scripts/finalize_training_kaggle.sh [experiment]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
experiment="${1:-detection_exp001_yolo11s_baseline}"
if [ -d .venv/bin ] && [ -z "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then PATH="$PWD/.venv/bin:$PATH"; fi

doors metadata --weights-dir weights/detection --experiment "$experiment"
doors version --experiment "$experiment"
