#!/usr/bin/env bash
# Makes stored.tar.gz, a small repository of git-theta 0.2.0 by git-theta itself: its history as a bundle, its git-lfs
# objects, and what it checks out at each commit, as safetensors. Run it where this has been installed:
#   pip install --no-deps git-theta==0.2.0 && pip install torch==2.13.0 GitPython tensorstore msgpack scipy six \
#     file-or-name numba prompt_toolkit safetensors
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_THETA_UPDATE_DATA_PATH=$work/none.pt
git config --global user.name "A U Thor" && git config --global user.email author@example.com
git config --global init.defaultBranch main && git config --global advice.detachedHead false
git theta install && git lfs install >/dev/null
git init -q "$work/repo" && cd "$work/repo"

cat >"$work/step.py" <<'PYTHON'
"""One step of the history: a checkpoint, or the data of an update."""
import sys
import torch

def update(**parts):
    torch.save({name.replace("__", "/").replace("_weight", ".weight"): part for name, part in parts.items()}, sys.argv[2])

torch.manual_seed(len(sys.argv[1]))
match sys.argv[1]:
    case "none":
        update()
    case "base":
        model = {"emb.weight": torch.randn(20, 8), "l.weight": torch.randn(6, 8), "l.bias": torch.zeros(6)}
        torch.save({**model, "n": torch.arange(4), "h": torch.tensor(2.5), "b": torch.tensor([True, False])}, "model.pt")
    case "low-rank":
        update(l_weight__R=torch.randn(6, 2), l_weight__C=torch.randn(2, 8))
    case "sparse":
        places = torch.tensor([3, 77], dtype=torch.int32)
        update(emb_weight__data=torch.tensor([1.5, -2.0]), emb_weight__indices=places,
               emb_weight__indptr=torch.tensor([0, 2], dtype=torch.int32), emb_weight__shape=torch.tensor([20, 8]))
    case "ia3":
        update(l_weight__ia3=torch.randn(1, 8))
    case "wide":
        update(emb_weight__ia3=torch.rand(20, 1, dtype=torch.float64))
    case "dense":
        model = torch.load("model.pt")
        torch.save({**model, "emb.weight": model["emb.weight"] + 1}, "model.pt")
    case "inferred":
        model = torch.load("model.pt")
        model["l.weight"] += torch.outer(torch.arange(6.0), torch.arange(8.0))
        torch.save({**model, "l.bias": model["l.bias"] + 0.25}, "model.pt")
PYTHON
python "$work/step.py" none "$GIT_THETA_UPDATE_DATA_PATH"

fresh() { rm -f model.pt && git checkout -q -- model.pt; }
updated() {
  fresh
  python "$work/step.py" "$1" "$work/$1.pt"
  git theta add model.pt --update-type "$2" --update-data "$work/$1.pt"
  git commit -q -m "$1" && fresh
}

python "$work/step.py" base
git theta track model.pt && git theta add model.pt && git commit -q -m base
updated low-rank low-rank
git branch side
updated sparse sparse
updated ia3 ia3
git checkout -q -f side
python "$work/step.py" dense && git add model.pt && git commit -q -m dense
python "$work/step.py" inferred && GIT_THETA_UPDATE_TYPE=low-rank git add model.pt && git commit -q -m inferred
git checkout -q -f main
git checkout -q -b notes HEAD~2 && echo hello >notes.txt && git add notes.txt && git commit -q -m notes
git checkout -q -f main && git merge -q -m merged notes && git tag -a -m "first release" v1
updated wide ia3

mkdir "$work/expected"
for commit in $(git rev-list --all); do
  git checkout -q -f "$commit"
  python -c 'import sys, torch, safetensors.torch as s; s.save_file(torch.load("model.pt"), sys.argv[1])' \
    "$work/expected/$(git log -1 --format=%s).safetensors"
done
git checkout -q -f main
# git itself renames it; git-theta cannot check out what comes of that
git mv model.pt renamed.pt && sed -i s/model.pt/renamed.pt/ .gitattributes
git -c filter.theta.clean=false add .gitattributes && git commit -q -m renamed
git bundle create -q "$work/history.bundle" --all
mv .git/lfs/objects "$work/lfs"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$here/stored.tar.gz" history.bundle lfs expected
rm -rf "$work"
