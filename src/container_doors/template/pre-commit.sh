#!/bin/sh
# Written by `doors init`, which writes it again: a commit that contains credentials is refused.
refuse() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 1
}
module=container_doors.cli.refuse_credentials
found=""
# -P: no module of this folder is imported
for python in .venv/bin/python @PYTHON@ python3 python; do
  if "$python" -P -c "import $module" 2> /dev/null; then
    found="$python"
    break
  fi
done
[ -n "$found" ] || refuse "this commit was not searched for credentials: no Python here has container-doors" \
  "install it in .venv, as README.md says; or, if you are sure that it has none: git commit --no-verify"
staged=$(mktemp -d "$(git rev-parse --git-dir)/doors-staged.XXXXXX") || exit 1
trap 'rm -rf "$staged"' EXIT
trap 'exit 1' HUP INT TERM
git diff --cached --name-only --no-ext-diff --ignore-submodules=all --diff-filter=d -z |
  git checkout-index -z --stdin --prefix="$staged/" ||
  refuse "this commit could not be searched for credentials: see above" "is the disk full (df -h)?"
"$found" -P -m "$module" "$staged"
