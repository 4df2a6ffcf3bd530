# Sourced by .ci/run, .ci/cluster and .ci/kind: runs suites, gives what failed one more run, and says at the end what that was.
# Shared machines stall for seconds now and then; what needed a second run is a fault of ours all the same until it is known.

say() { printf '\n== %d min: %s\n' $((SECONDS / 60)) "$*"; }

# The reports of first runs that failed, one for each suite. Who has set it already prints the list.
lists_repeats=""
if [[ -z ${MCPTASKS_CI_REPORTS:-} ]]; then
  export MCPTASKS_CI_REPORTS
  MCPTASKS_CI_REPORTS=$(mktemp -d "${TMPDIR:-/tmp}/mcptasks-ci-XXXXXX")
  lists_repeats=yes
  # Whoever sets another one calls list_repeats in it.
  trap list_repeats EXIT
fi

# suite NAME COMMAND...: a command that runs pytest once. A second run takes what failed alone. Suites run at the same
# time, so each has a cache of its own.
suite() { first_run "$@" || { whole_was_run "$1" && again "$1" && in_suite "$1" "--last-failed" "${@:2}"; }; }

# whole NAME COMMAND...: the same for tests that build on each other, and for programs that are not pytest.
whole() { first_run "$@" || { again "$1" && in_suite "$1" "" "${@:2}"; }; }

first_run() {
  local report=$MCPTASKS_CI_REPORTS/$1 code=0
  in_suite "$1" "--junitxml=$report.xml" "${@:2}" 2>&1 | tee "$report.log" || code=$?
  # Of what succeeded nothing is kept: the list is of the others.
  ((code)) || rm -f "$report.xml" "$report.log"
  return "$code"
}

in_suite() { PYTEST_ADDOPTS="-o cache_dir=.cache/pytest-$1 $2" "${@:3}"; }

# Of what has not run there is nothing to repeat.
whole_was_run() {
  if grep -q -e '^INTERNALERROR>' -e '!! .*Interrupted:' "$MCPTASKS_CI_REPORTS/$1.log"; then
    say "'$1' was broken off, and some of it has not run"
    return 1
  fi
}

again() { say "some of '$1' failed: that once more"; }

# What ran a second time, by name, with the first line that says why. For a trap at the end.
list_repeats() {
  if [[ -n $lists_repeats ]]; then
    say "what ran a second time"
    python3 .ci/repeats "$MCPTASKS_CI_REPORTS" || true
    rm -rf "$MCPTASKS_CI_REPORTS"
  fi
}
