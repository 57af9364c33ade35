#!/usr/bin/env bash
# Run once by the Postgres image, on an empty volume: the two roles and their databases, as on a single machine.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
-- Read from the environment, not from the command line, which others on the machine can list.
\getenv pramaan_password PRAMAAN_DATABASE_PASSWORD
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
create role pramaan login password :'pramaan_password';
create role airflow login password :'airflow_password';
create database pramaan owner pramaan;
create database airflow owner airflow;
revoke all on database pramaan, airflow, postgres, template1 from public;
SQL
