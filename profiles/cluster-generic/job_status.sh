#!/bin/sh
# Says of a job, by its number, what Snakemake wants to hear: running (or waiting), success or failed.
# LSF, PBS and Grid Engine are told apart by their commands; one that does not answer for a moment says "running".

if command -v bjobs > /dev/null; then
    case "$(bjobs -noheader -o stat "$1" 2> /dev/null)" in
        DONE) echo success ;;
        EXIT) echo failed ;;
        *) echo running ;;
    esac
elif command -v qacct > /dev/null; then
    # Grid Engine: gone from the queue, then in the accounts, a few seconds later.
    qstat -j "$1" > /dev/null 2>&1 && echo running && exit
    qacct -j "$1" 2> /dev/null | awk '
        $1 == "failed" { failed = $2 }
        $1 == "exit_status" { status = $2; seen = 1 }
        END { print !seen ? "running" : failed == 0 && status == 0 ? "success" : "failed" }'
else
    # PBS keeps finished jobs for `qstat -x`.
    qstat -x -f "$1" 2> /dev/null | awk '
        $1 == "job_state" { state = $3 }
        $1 == "Exit_status" { status = $3 }
        END { print state != "F" ? "running" : status == "0" ? "success" : "failed" }'
fi
