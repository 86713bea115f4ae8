#!/usr/bin/env bash
# Install what training needs, and show that it is there. Safe to run again.
#
#   bash scripts/setup_kaggle.sh
#
# On a Kaggle machine, which holds secrets, everything is the file that uv.lock names, by its sha256.
# The image's own torch is kept: replacing it breaks torchvision and CUDA there. DVC gets an
# environment of its own there, for its Google Drive plugin would change others' packages.
# Elsewhere uv makes the locked environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 2
}

not_installed() {
  fail "the packages could not be installed: see above" "is Internet on, in the notebook's settings? Is the disk full (df -h)? Then run this again"
}

install_beside_the_image() {
  command -v python > /dev/null || fail "there is no python on the PATH" "apt-get install python-is-python3, or activate the environment"
  python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "Python 3.11, 3.12 or 3.13 is needed, found $(python --version)" "choose the latest environment in the notebook's settings"
  python -c 'from importlib.metadata import version; version("torch")' 2> /dev/null ||
    fail "this image has no torch" "choose a GPU image, or run without KAGGLE_KERNEL_RUN_TYPE"
  python scripts/install_locked.py --without dvc --project || exit 2
  home="${XDG_DATA_HOME:-$HOME/.local/share}/container-doors/dvc"
  python scripts/install_locked.py --environment "$home" --group dvc || exit 2
  ln -sf "$home/bin/dvc" "$(python -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/dvc"
}

command -v git > /dev/null || fail "git is not installed" "apt-get install git"

echo "[1/3] Installing packages..."
if [ -n "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then
  install_beside_the_image
elif command -v uv > /dev/null; then
  uv sync --quiet || not_installed
elif ! command -v doors > /dev/null; then
  fail "neither uv nor doors is on the PATH" "pip install uv"
fi
if [ -d .venv/bin ] && [ -z "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then PATH="$PWD/.venv/bin:$PATH"; fi

echo "[2/3] Configuring the remote..."
if [ -n "${GDRIVE_CREDENTIALS_DATA:-}${DVC_SERVICE_ACCOUNT_JSON:-}${KAGGLE_SECRET_DVC_JSON:-}" ]; then
  doors remote set
else
  echo "no credentials in the environment: taking the remote as it is"
fi
# W&B's key needs no step: it is read from WANDB_API_KEY or KAGGLE_SECRET_WANDB_KEY where it is used.

echo "[3/3] Verifying..."
doors --version
dvc --version
if [ -n "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then
  doors doctor --setup
else
  python -c "import torch; print('torch', torch.__version__, 'CUDA' if torch.cuda.is_available() else 'CPU')"
fi
