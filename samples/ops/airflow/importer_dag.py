"""A crawl every night, and what its exit status means to Airflow.

importer must be on the workers, and its data folder on a disk that they share
or on the one worker that the queue names: what is remembered of a connection
must be there again the next night.
"""

import json
import subprocess
from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task  # Airflow 3
except ImportError:
    from airflow.decorators import dag, task  # Airflow 2
from airflow.exceptions import AirflowException, AirflowFailException

FOLDER = "/srv/importer"
COMMAND = ["importer", "run", "mappings/helpdesk.yaml", "--target", "graph", "--quiet", "--json"]

DONE = {0: "done", 3: "done, with records in quarantine", 10: "stopped at a checkpoint", 11: "another run is at work"}
NEEDS_A_PERSON = {2: "wrong usage or mapping", 4: "credentials", 6: "a guard has stopped it", 7: "columns have changed"}


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # one crawl makes up for all that were missed
    max_active_runs=1,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=10)},
    tags=["importer"],
)
def importer_helpdesk():
    @task(queue="importer")
    def crawl():
        done = subprocess.run(COMMAND, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        code = done.returncode
        if code in NEEDS_A_PERSON:
            raise AirflowFailException(f"importer: {NEEDS_A_PERSON[code]} (exit {code}); see the log")
        if code not in DONE:
            raise AirflowException(f"importer: exit {code}; it is tried again and goes on where it was")
        print(f"importer: {DONE[code]}")
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else None  # the summary, for the tasks after it

    crawl()


importer_helpdesk()
