#!/bin/sh
# conformance_finds_lies.sh PROGRAM LIAR TRUTH: the program must pass the truth and fail on every lie, naming the check.
set -u
program=$1 liar=$2 truth=$3
export FLAGOS_LIAR_WRAPS="$truth" FLAGOS_LIAR_LIE=none
"$program" --library "$liar" >/dev/null || { echo "the truth, wrapped, does not pass"; exit 1; }
while read -r lie check; do
  export FLAGOS_LIAR_LIE="$lie"
  output=$("$program" --library "$liar"); status=$?
  if [ $status -ne 1 ] || ! printf '%s' "$output" | grep -q "^FAILED   $check"; then
    printf '%s\n' "$output"
    echo "the lie '$lie' was not found by $check (status $status)"
    exit 1
  fi
done <<LIES
copy copies/pageable_round_trips
fill fills/fills_write_the_pattern
release memory/release_of_what_is_no_block_is_refused
query streams/default_stream_works
text errors/a_device_that_is_not_there
allocate memory/blocks_are_aligned_and_apart
group table/unknown_group_is_null
missing table/is_complete
any_major table/another_major_is_refused
name table/name_and_version_are_words
LIES
