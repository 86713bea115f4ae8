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

echo "[1/3] Installing packages..."
if [ -n "${KAGGLE_KERNEL_RUN_TYPE:-}" ]; then
  constraints="$(mktemp)"
  trap 'rm -f "$constraints"' EXIT
  python -m pip freeze --exclude-editable |
    grep -iE '^(torch|torchvision|torchaudio|numpy|opencv[a-z-]*)==' > "$constraints" || true
  python -m pip install --quiet --constraint "$constraints" --editable . uv
  dvc_home="${XDG_DATA_HOME:-$HOME/.local/share}/container-doors/dvc"
  UV_PROJECT_ENVIRONMENT="$dvc_home" python -m uv sync --quiet --locked --only-group dvc \
    --python "$(command -v python)"
  ln -sf "$dvc_home/bin/dvc" "$(python -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/dvc"
elif command -v uv > /dev/null; then
  uv sync --quiet
elif ! command -v doors > /dev/null; then
  echo "error: neither uv nor doors is on the PATH" >&2
  echo "  hint: pip install uv" >&2
  exit 2
fi
if [ -d .venv/bin ]; then PATH="$PWD/.venv/bin:$PATH"; fi

echo "[2/3] Configuring the remote..."
if [ -n "${GDRIVE_CREDENTIALS_DATA:-}${DVC_SERVICE_ACCOUNT_JSON:-}${KAGGLE_SECRET_DVC_JSON:-}" ]; then
  doors remote set
else
  echo "no credentials in the environment: taking the remote as it is"
fi

echo "[3/3] Verifying..."
doors --version
dvc --version
python -c "import torch; print('torch', torch.__version__, 'CUDA' if torch.cuda.is_available() else 'CPU')"
