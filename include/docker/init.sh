#!/usr/bin/env bash
# One-shot before the services start: both databases brought up to date, the home and the admin's password made.
# Safe to repeat: an upgrade runs it again.
set -euo pipefail

airflow db migrate
# Tasks of a pool that is not there are never scheduled.
airflow pools set issuance "$(nproc)" "Made by Pramaan"
pramaan prepare --first-admin admin

# Airflow's sign-in reads this file; without it, it would make a password up and print it to its log.
umask 077
python - <<'PYTHON'
import json, os, pathlib

file = pathlib.Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
file.parent.mkdir(mode=0o700, exist_ok=True)
new = file.with_suffix(".tmp")
new.write_text(json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}))
new.replace(file)
PYTHON
