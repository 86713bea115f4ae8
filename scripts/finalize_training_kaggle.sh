#!/usr/bin/env bash
# Describe, track and push the published model; do nothing if it is of another experiment.
#
#   bash scripts/finalize_training_kaggle.sh [experiment]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
experiment="${1:-detection_exp001_yolo11s_baseline}"
if [ -d .venv/bin ] && [ -z "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then PATH="$PWD/.venv/bin:$PATH"; fi
if ! command -v doors > /dev/null; then
  printf 'error: doors is not on the PATH\n  hint: bash scripts/setup_kaggle.sh installs it, then run this again\n' >&2
  exit 2
fi

doors metadata --weights-dir weights/detection --experiment "$experiment"
doors version --experiment "$experiment"
