#!/bin/sh
# Runs importer once and tells a scheduler what became of it, in the only words
# that all schedulers know: exit status 0 is "done", anything else "look here".
#
#   importer-job.sh run mappings/helpdesk.yaml --target graph --json
#
# The line that --json ends with, and what went wrong, go to the job's output.

importer=${IMPORTER_BIN:-importer}

"$importer" "$@"
code=$?
case $code in
3) echo "importer: done, but records are in quarantine: importer quarantine lists them" >&2 && exit 0 ;;
10) echo "importer: stopped at a checkpoint; the next run goes on from there" >&2 && exit 0 ;;
11) echo "importer: another run works on the same connection, so this one is not needed" >&2 && exit 0 ;;
esac
exit $code
