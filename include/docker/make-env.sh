#!/usr/bin/env bash
# Writes .env for docker compose: .env.example with every empty secret filled with random bytes; readable by its
# owner only. Leaves a .env that is there as it is, since its passwords are those of existing volumes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ -e .env ]; then
    echo ".env is there and stays as it is: its passwords are those of the volumes." >&2
    exit 0
fi

# Random bytes, 32 unless told otherwise, in the alphabet of Fernet keys, which needs no quoting in a URL either but for
# the padding.
secret() { head -c "${1:-32}" /dev/urandom | base64 -w 0 | tr '+/' '-_'; }

umask 077
while IFS= read -r line; do
    case $line in
    *_FERNET_KEY=) printf '%s%s\n' "$line" "$(secret)" ;;
    # HMAC with SHA-512 wants 64 characters (RFC 7518, 3.2).
    *_JWT_SECRET=) printf '%s%s\n' "$line" "$(secret 48)" ;;
    [A-Z]*_PASSWORD= | [A-Z]*_SECRET= | [A-Z]*_SECRET_KEY=) printf '%s%s\n' "$line" "$(secret | tr -d =)" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env.tmp
mv .env.tmp .env
echo "Wrote .env with new secrets. The admin's password is AIRFLOW_ADMIN_PASSWORD in it."
