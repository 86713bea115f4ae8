#!/usr/bin/env bash
# Install what training needs, configure DVC and W&B, and check it. Safe to run again.
#
#   bash scripts/setup_kaggle.sh
#
# On a Kaggle machine, which has secrets, every package is checked against the sha256 in uv.lock. The
# image's own torch stays: replacing it breaks torchvision and CUDA there. DVC gets its own
# environment there, because its Google Drive plugin would change packages of others. Elsewhere uv
# makes the locked environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
path_of_the_shell="$PATH"
on_kaggle="${KAGGLE_KERNEL_RUN_TYPE:-}"
drive_json="${GDRIVE_CREDENTIALS_DATA:-${DVC_SERVICE_ACCOUNT_JSON:-${KAGGLE_SECRET_DVC_JSON:-}}}"
wandb_key="${WANDB_API_KEY:-${KAGGLE_SECRET_WANDB_KEY:-}}"
drive_is_closed=false

fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 2
}

is_workspace() { # one that `doors init` made, and no clone of the project
  [ -f requirements.txt ] && [ ! -f scripts/install_locked.py ]
}

not_installed() {
  fail "the packages could not be installed: see above" "is Internet on, in the notebook's settings? Is the disk full (df -h)? Then run this again"
}

# This runs before the packages, which take minutes.
check_secrets() {
  if [ -n "$drive_json" ]; then
    echo "DVC: credentials of ${#drive_json} characters"
  elif ! grep -qs "gdrive://" .dvc/config .dvc/config.local; then
    echo "DVC: no credentials, and none needed: the remote is not a Google Drive"
  elif grep -qsE "gdrive_(user_credentials|service_account_json)_file" .dvc/config.local; then
    echo "DVC: the credentials of this clone"
  elif [ -n "$on_kaggle" ]; then
    fail "KAGGLE_SECRET_DVC_JSON is not set, and the remote is a Google Drive" \
      "add the secret DVC_SERVICE_ACCOUNT_JSON, tick it for the notebook and run its cells again; or choose a remote that needs none: doors storage set DIRECTORY"
  else
    drive_is_closed=true
    echo "DVC: no credentials for the Google Drive: doors storage login --client FILE, or doors storage set --credentials FILE"
  fi
  if [ -n "$wandb_key" ]; then
    echo "W&B: a key of ${#wandb_key} characters"
  elif ! grep -qs "wandb" "${NETRC:-${HOME:-}/.netrc}"; then
    echo "W&B: no key in WANDB_API_KEY or KAGGLE_SECRET_WANDB_KEY, so runs are recorded offline; doors track login takes one, doors track sync sends them"
  fi
}

install_beside_the_image() {
  command -v python > /dev/null || fail "there is no python on the PATH" "apt-get install python-is-python3, or activate the environment"
  python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "Python 3.11, 3.12 or 3.13 is needed, found $(python --version)" "choose the latest environment in the notebook's settings"
  python -c 'from importlib.metadata import version; version("torch")' 2> /dev/null ||
    fail "this image has no torch" "choose a GPU image, or run without KAGGLE_KERNEL_RUN_TYPE"
  installer=scripts/install_locked.py
  if ! is_workspace; then
    python "$installer" --without dvc --project || exit 2
  else # the lock is in the release
    python -m pip install --quiet --no-deps --requirement requirements.txt || not_installed
    installer="$(python -c 'from container_doors.adapters.templates import template_path; print(template_path("locked/scripts/install_locked.py"))')"
    python "$installer" --without dvc || exit 2
  fi
  home="${XDG_DATA_HOME:-$HOME/.local/share}/container-doors/dvc"
  python "$installer" --environment "$home" --group dvc || exit 2
  ln -sf "$home/bin/dvc" "$(python -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/dvc"
}

# `wandb` does not know KAGGLE_SECRET_WANDB_KEY. A Kaggle machine is deleted; a person's machine is not.
log_in_to_wandb() {
  if [ -n "$on_kaggle" ] && [ -z "${WANDB_API_KEY:-}" ] && [ -n "$wandb_key" ]; then
    printf '%s\n' "$wandb_key" | env -u KAGGLE_SECRET_WANDB_KEY doors track login ||
      echo "warning: runs are recorded offline without it, and doors track sync sends them later"
  fi
}

print_versions() {
  python - << 'END' || echo "warning: python is not that of doors; doors doctor shows more"
from container_doors.adapters.account_health import wandb
from container_doors.adapters.machine_health import gpu, packages, torch_build
from container_doors.doctor.health import as_lines

print(*as_lines([packages(), torch_build(), gpu(), wandb()]), sep="\n")
END
}

print_next_steps() {
  echo "Next steps:"
  if [ "$(PATH="$path_of_the_shell" command -v dvc)" != "$(command -v dvc)" ]; then
    echo "  source $PWD/.venv/bin/activate"
  fi
  if "$drive_is_closed"; then
    echo "  doors storage set --credentials FILE   # or, as a person: doors storage login --client FILE"
  fi
  if [ -f data/processed/detection.dvc ]; then
    echo "  dvc pull data/processed/detection.dvc"
  elif [ -f data/processed/detection/data.yaml ]; then
    echo "  doors data validate --path data/processed/detection"
  else
    echo "  doors data import YOUR_PHOTOGRAPHS"
    echo "  doors data validate --path data/processed/detection"
  fi
  echo "  bash scripts/run_training.sh"
}

# Without credentials a training can end well, with photographs that are here; nobody else gets its model.
check_drive() {
  "$drive_is_closed" || return 0
  echo "warning: nothing can be fetched from the Google Drive or pushed to it: this machine has no credentials for it"
  if [ -f data/processed/detection.dvc ] && [ ! -f data/processed/detection/data.yaml ]; then
    printf 'error: the photographs are not here, and cannot be fetched\n  hint: %s\n' \
      "doors storage set --credentials FILE, or doors storage login --client FILE; docs/google-drive.md" >&2
    exit_code=1
  fi
}

command -v git > /dev/null || fail "git is not installed" "apt-get install git"

echo "[1/4] Looking for secrets..."
check_secrets

echo "[2/4] Installing packages..."
if [ -n "$on_kaggle" ]; then
  install_beside_the_image
elif is_workspace; then
  [ -x .venv/bin/doors ] || command -v doors > /dev/null ||
    fail "doors is neither in .venv nor on the PATH" "python3 -m venv .venv && .venv/bin/pip install --requirement requirements.txt, then run this again"
elif command -v uv > /dev/null; then
  uv sync --quiet || not_installed
elif [ ! -x .venv/bin/doors ] && ! command -v doors > /dev/null; then
  # shellcheck disable=SC2016 # the reader's shell expands it
  fail "neither uv nor doors is on the PATH" 'pip install --target .uv uv && export PATH="$PWD/.uv/bin:$PATH", then run this again'
fi
if [ -d .venv/bin ] && [ -z "$on_kaggle" ]; then PATH="$PWD/.venv/bin:$PATH"; fi

echo "[3/4] Configuring DVC and W&B..."
if [ -n "$drive_json" ]; then
  doors storage set
else
  echo "the remote does not change"
fi
log_in_to_wandb

echo "[4/4] Verifying..."
doors --version
echo "dvc $(dvc --version)"
if [ -n "$on_kaggle" ]; then
  doors doctor --setup
else
  print_versions
fi
exit_code=0
check_drive
if [ "${1:-}" != "--go-on" ]; then print_next_steps; fi
exit "$exit_code"
