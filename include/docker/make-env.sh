#!/usr/bin/env bash
# Writes .env for docker compose: .env.example with every empty secret filled with random bytes; readable by its
# owner only. Leaves a .env that is there as it is, since its passwords are those of existing volumes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -e .env ]; then
    echo ".env is there and stays as it is: its passwords are those of the volumes." >&2
    exit 0
fi

# 32 random bytes in the alphabet of Fernet keys, which needs no quoting in a URL either but for the padding.
secret() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }

umask 077
while IFS= read -r line; do
    case $line in
    *_FERNET_KEY=) printf '%s%s\n' "$line" "$(secret)" ;;
    [A-Z]*_PASSWORD= | [A-Z]*_SECRET= | [A-Z]*_SECRET_KEY=) printf '%s%s\n' "$line" "$(secret | tr -d =)" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env.tmp
mv .env.tmp .env
echo "Wrote .env with new secrets. The admin's password is AIRFLOW_ADMIN_PASSWORD in it."
