#!/bin/bash
# tmux: a server, a session, keys sent to a shell in it, its screen read back.
# needs: tmux
export TMUX_TMPDIR=$PWD
tmux -f /dev/null new-session -d -x 80 -y 24 'sh -c "echo in a pane; read x; echo got \$x; sleep 5"' && sleep 0.5
tmux send-keys hello Enter && sleep 0.5
tmux capture-pane -p | grep -v '^$'
for i in 1 2 3 4 5; do tmux split-window -d -l 3 'sleep 5'; done; tmux list-panes | wc -l
tmux kill-server; echo "status $?"
