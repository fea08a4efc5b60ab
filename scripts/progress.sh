# shellcheck shell=bash
# Which step a long command is at, and how much time is still expected: what each took in its last run, else what it takes
# on an ordinary machine. Sourced after lib.sh.

ATLAS_TIMES=$ATLAS_CACHE/times
mkdir -p "$ATLAS_TIMES"
stage_keys=() stage_expected=() stage_at=0 stage_started=$SECONDS

# expect NAME PATH FIRST AGAIN : announces a stage, in order: seconds that it takes where the path is missing, which it
# leaves behind, and where it is there.
expect() {
  local key=$1-first seconds=$3
  if [[ -e $2 ]]; then key=$1-again seconds=$4; fi
  stage_keys+=("$key")
  stage_expected+=("$(cat "$ATLAS_TIMES/$key" 2>/dev/null || echo "$seconds")")
}

# stage TEXT : begins the next stage that was announced.
stage() {
  local left=0 index
  end_stage
  for ((index = stage_at; index < ${#stage_keys[@]}; index++)); do left=$((left + stage_expected[index])); done
  stage_at=$((stage_at + 1))
  say "step $stage_at of ${#stage_keys[@]}: $1 ($(for_a_person "$left") left)"
}

# end_stage : notes how long the present stage took.
end_stage() {
  if ((stage_at > 0)); then echo $((SECONDS - stage_started)) >"$ATLAS_TIMES/${stage_keys[stage_at - 1]}"; fi
  stage_started=$SECONDS
}

# for_a_person SECONDS : about how long that is.
for_a_person() {
  if (($1 < 60)); then
    echo "less than a minute"
  else
    echo "about $((($1 + 30) / 60)) min"
  fi
}
