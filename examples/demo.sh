#!/usr/bin/env bash
# The main job on a real checkpoint, in a repository that is thrown away afterwards. Stops at the first surprise.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

finetune=$PWD/examples/finetune.py
original=$(examples/fetch_model.sh)
folder=$(mktemp -d)
finish() {
  local code=$?
  rm -rf "$folder"
  [ "$code" = 0 ] || echo "demo: FAILED" >&2
}
trap finish EXIT

# nobody's own settings, so that everybody sees the same
for name in $(compgen -e GIT_ || true); do unset "$name"; done
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat GIT_EDITOR=false
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com

say() { printf '\n# %s\n' "$*"; }
run() {
  printf '$ %s\n' "$*"
  eval "$*"
}

mkdir "$folder/demo"
cd "$folder/demo"
git init -q -b main
cp "$original" ../original.safetensors
cp "$original" model.safetensors
cp "$finetune" .

say 'Track a checkpoint, and commit it like any other file.'
run git theta track model.safetensors
run git add .gitattributes model.safetensors
run git commit -q -m '"Start from all-MiniLM-L6-v2"'

say 'Fine-tune two layers on a branch.'
run git switch -q -c feature-branch
run python finetune.py model.safetensors 1 4 5
run git diff
run git commit -q -a -m '"Tune layers 4 and 5"'

say 'Meanwhile, layer 5 is tuned for another task on main.'
run git switch -q main
run python finetune.py model.safetensors 2 5
run git commit -q -a -m '"Tune layer 5"'
run "git log -p --stat -U0 -1 --format=%s | grep -v object | cut -c-100"

say 'Merge: layer 4 is taken from the branch, layer 5 changed on both sides and is averaged.'
run git merge --strategy average feature-branch
run git diff HEAD~1 HEAD

say 'Every version comes back byte for byte, and values are stored once.'
run git checkout -q HEAD~2 -- model.safetensors
run cmp model.safetensors ../original.safetensors
run git checkout -q HEAD -- model.safetensors
run git theta fsck
run du -sh --apparent-size model.safetensors .git/theta
