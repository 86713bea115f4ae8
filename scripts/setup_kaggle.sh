#!/usr/bin/env bash
# Install what training needs, and show that it is there. Safe to run again.
#
#   bash scripts/setup_kaggle.sh
#
# On a Kaggle machine the image's own torch is kept: replacing it breaks torchvision and CUDA
# there, so whatever the image has is a constraint. DVC gets an environment of its own there, for
# its Google Drive plugin would change others' packages. Elsewhere uv makes the locked environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 2
}

kept_versions() { # what the image holds, as constraints; one version for both builds of OpenCV
  python - << 'PYTHON'
from importlib.metadata import distributions

names = ("torch", "torchvision", "torchaudio", "numpy", "opencv-python", "opencv-python-headless",
         "opencv-contrib-python")
held = {found.metadata["Name"].lower().replace("_", "-"): found.version for found in distributions()}
kept = {name: held[name] for name in names if name in held}
if "opencv-python" in kept:
    kept.setdefault("opencv-python-headless", kept["opencv-python"])
print("\n".join(f"{name}=={version}" for name, version in kept.items()))
PYTHON
}

not_installed() {
  fail "the packages could not be installed: see above" "is Internet on, in the notebook's settings? Is the disk full (df -h)? Then run this again"
}

install_beside_the_image() {
  command -v python > /dev/null || fail "there is no python on the PATH" "apt-get install python-is-python3, or activate the environment"
  python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "Python 3.11, 3.12 or 3.13 is needed, found $(python --version)" "choose the latest environment in the notebook's settings"
  constraints="$(mktemp)"
  trap 'rm -f "$constraints"' EXIT
  kept_versions > "$constraints"
  grep -q '^torch==' "$constraints" ||
    fail "this image has no torch" "choose a GPU image, or run without KAGGLE_KERNEL_RUN_TYPE"
  if command -v uv > /dev/null; then
    uv pip install --quiet --python "$(command -v python)" --constraint "$constraints" --editable . ||
      not_installed
  else
    python -m pip --version > /dev/null 2>&1 || fail "neither uv nor pip is here" "apt-get install python3-pip"
    python -m pip install --quiet --constraint "$constraints" --editable . uv ||
      not_installed
  fi
  [ "$(kept_versions | grep '^torch')" = "$(grep '^torch' "$constraints")" ] ||
    fail "the image's torch was changed" "restart the machine, and report what was installed before"
  install_dvc
}

install_dvc() {
  local home="${XDG_DATA_HOME:-$HOME/.local/share}/container-doors/dvc" uv=(uv)
  command -v uv > /dev/null || uv=(python -m uv)
  UV_PROJECT_ENVIRONMENT="$home" "${uv[@]}" sync --quiet --locked --only-group dvc \
    --python "$(command -v python)" || not_installed
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
