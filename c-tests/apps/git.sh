#!/bin/bash
# git: init, commits, branches, merge, log, grep, blame, gc, fsck, clone, diff, bundle.
# needs: git
# normalise: s/[0-9]+(\.[0-9]+)? ([KM]i)?B\/s/R/; s/[0-9]+ bytes/B/
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
git config --global user.name a; git config --global user.email a@b; git config --global init.defaultBranch main
git config --global advice.detachedHead false
git init -q repo && cd repo || exit 1
for i in $(seq 1 30); do
    for k in $(seq 1 10); do seq 1 $((i * k)) >"file$k"; done
    git add . && git commit -q -m "commit $i"
done
git log --oneline | md5sum
git checkout -q -b side HEAD~5; echo side >side; git add side; git commit -q -m side; git checkout -q main
git merge -q -m merged side && git log --graph --oneline | head -5
git grep -n '^77$' | head -3
git blame file7 | tail -2
git gc -q --prune=now && git fsck --full --strict 2>&1 && git count-objects -v | grep -E 'in-pack|packs'
git diff --stat HEAD~10 | tail -1
git bundle create -q ../b.bundle --all && git bundle verify -q ../b.bundle
cd .. && git clone -q repo copy && git clone -q b.bundle third && git -C copy status --short && git -C third rev-parse HEAD
git -C copy rebase -q HEAD~3 && git -C copy stash list; git -C copy archive HEAD | tar tf - | wc -l
git -C copy nosuchcommand 2>&1 | head -1
