# The image of every Pramaan service but the database and mail: the same set-up as on a developer's machine.
FROM python:3.11-slim-bookworm

WORKDIR /opt/pramaan

COPY setup.sh system-packages.txt ./
RUN bash setup.sh system && rm -rf /var/lib/apt/lists/*

RUN groupadd --gid 10001 pramaan \
    && useradd --uid 10001 --gid pramaan --home-dir /srv/pramaan --no-create-home --shell /usr/sbin/nologin pramaan \
    && install -d -o pramaan -g pramaan /opt/pramaan \
    # A new volume takes its owner from the folder that it covers.
    && install -d -o pramaan -g pramaan -m 0711 /srv/pramaan \
    && install -d -o pramaan -g pramaan -m 0700 /srv/pramaan/landing /srv/pramaan/store /srv/pramaan/logs

USER 10001:10001
ENV HOME=/srv/pramaan \
    LANG=C.UTF-8 \
    PATH=/opt/pramaan/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PRAMAAN_HOME=/srv/pramaan

# The pins alone first: a change of our own code leaves this layer, by far the largest, as it is. Byte code is
# compiled into it, as the running containers cannot write it.
COPY --chown=10001:10001 requirements.txt pyproject.toml ./
COPY --chown=10001:10001 include/pramaan/__init__.py include/pramaan/
RUN UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 bash setup.sh python

COPY --chown=10001:10001 . .

EXPOSE 18080
HEALTHCHECK --interval=30s --timeout=10s --retries=5 --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:18080/api/v2/version', timeout=5)"]
CMD ["airflow", "api-server"]
