#!/usr/bin/env bash
# Makes a branch of the repository in the cluster hold exactly what a folder holds.
#
#   push-folder.sh push|check FOLDER BRANCH NAMESPACE KUBECTL
#
# Its first line of output is "unchanged COMMIT", "changed COMMIT" or "would change"; then come the
# differences. Files that the folder's own .gitignore names are left out. Git talks to the repository through `kubectl exec`,
# so whoever may exec into that pod may push, and no port has to take pushes.
set -euo pipefail

mode=$1 folder=$2 branch=$3 namespace=$4 kubectl=$5

[[ -d $folder ]] || {
  echo "There is no folder $folder." >&2
  exit 1
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Nothing of the person's own Git: no hooks, no signing, no line endings of another taste.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=atlas GIT_AUTHOR_EMAIL=atlas@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
git init --quiet --bare "$scratch/git"
export GIT_DIR=$scratch/git GIT_INDEX_FILE=$scratch/index
git config core.bare false
git config core.autocrlf false
git config protocol.ext.allow always
# In this transport's syntax a space inside an argument is "% ".
git remote add cluster "ext::${kubectl// /% } --namespace=$namespace exec --stdin deployment/git --container=git -- %S /srv/git/world.git"

(cd "$folder" && GIT_WORK_TREE=$PWD git add --all .)
wanted=$(git write-tree)

# A new repository has no branch yet.
git fetch --quiet cluster "refs/heads/*:refs/remotes/cluster/*"
parent=$(git rev-parse --quiet --verify "refs/remotes/cluster/$branch" || true)
if [[ -n $parent ]]; then
  before=$(git rev-parse "$parent^{tree}")
else
  before=$(git mktree </dev/null)
fi
if [[ -n $parent && $before == "$wanted" ]]; then
  echo "unchanged $parent"
  exit
fi

difference() { git diff --no-color "$before" "$wanted"; }

if [[ $mode == check ]]; then
  echo "would change"
  difference
  exit
fi
commit=$(git commit-tree ${parent:+-p "$parent"} -m "Content of $(basename "$folder")" "$wanted")
# Refused, not overwritten, if somebody pushed in between.
git push --quiet cluster "$commit:refs/heads/$branch"
echo "changed $commit"
difference
