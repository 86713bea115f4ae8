#!/usr/bin/env bash
# Run one experiment from end to end: set up, data, train, version, report.
#
#   bash scripts/run_training.sh [experiment] [options of doors train]
#
# Each phase is a command that can be run again alone; the first that fails stops the rest. After a
# kill, a lost machine or a time limit the same command resumes where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
experiment="${1:-detection_exp001_yolo11s_baseline}"
options=("${@:2}")

echo "[1/5] Setting up environment..."
bash scripts/setup_kaggle.sh --go-on
if [ -d .venv/bin ] && [ -z "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then PATH="$PWD/.venv/bin:$PATH"; fi

echo "[2/5] Getting the data set..."
if [ -f data/processed/detection.dvc ]; then
  doors data pull
else
  echo "no data/processed/detection.dvc: using data/processed/detection as it is"
fi
doors data validate --path data/processed/detection

echo "[3/5] Training..."
doors train --config params.yaml --experiment "$experiment" --unless-finished "${options[@]}"
if [ ! -f "runs/$experiment/metadata.json" ]; then
  echo "To be continued: bash scripts/run_training.sh $*"
  exit 0
fi

echo "[4/5] Versioning..."
is_published=false
if cmp -s "runs/$experiment/metadata.json" weights/detection/metadata.json; then
  is_published=true
  bash scripts/finalize_training_kaggle.sh "$experiment"
else
  echo "nothing to version: $experiment is not published; the end of the training says why"
fi

echo "[5/5] Reporting..."
doors summary --experiment "$experiment" --output "summary_${experiment}.md"

echo "Training complete:"
if "$is_published"; then
  echo "  model     weights/detection/best.pt"
  echo "  metadata  weights/detection/metadata.json"
else
  echo "  model     runs/$experiment/trainer/weights/best.pt, not published"
  echo "  metadata  runs/$experiment/metadata.json"
fi
echo "  summary   summary_${experiment}.md"
if ! "$is_published"; then
  echo "To compare: doors runs. To publish it: doors publish $experiment, even if it is not better: --anyway"
  echo "and then: bash scripts/finalize_training_kaggle.sh $experiment"
fi
