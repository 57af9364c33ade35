"""Pramaan issues course-completion certificates from completion facts, exactly once and verifiably.

Packages and modules, each of which imports only those below it. The import contracts in `pyproject.toml`
prove this, and each "only" below:

    cli, orchestration    commands; what Airflow runs (only orchestration imports Airflow)
    bench                 every figure in BENCHMARKS.md
    host                  the processes on this machine: Postgres, supervisor, Airflow's settings
    sample                the bundled sample feeds
    web, pipeline, work   the HTTP API and its pages; the stages bound to one home; pending work by DAG
    stages                a run's stages, each alone: prepare, load, decide, issue, send mail, count
    certificates          decisions -> past the gate -> pending certificates -> PDFs in the store -> recorded
    reports               a batch's progress report: requested, built, mailed, and `sent` only once it was
    freshness             tells the team which feeds have stopped coming
    lifecycle             the states of a certificate, and the only statements that change them
    registry              issuers, attachments, certificates' records, grants, the record of changes
    warehouse             the dbt project and the decisions it defines (only it imports dbt)
    quality               a verdict per load, by a suite per feed (only it imports Great Expectations)
    feeds                 landing folder -> raw tables
    mail, runs, store     the ledger of mails and the SMTP client; the ledger of runs; the object store
    watch                 tells when a source has work; knows no package that is a source
    database              connections, migrations, locks, leases (only it imports Alembic)
    signatures            signature images: PNG, JPEG and cleaned SVG, in one stored form
    checking              vets templates in a sandbox before they are used
    rendering             fields and a template -> one PDF (only it, checking and signatures import
                          WeasyPrint)
    settings              the environment, parsed once
    localisation          every text that people read in their own language
    certificate_fields    the fields that a certificate prints, with the name each has everywhere
    sandbox               runs one of our modules in a child process within limits, on untrusted input
    errors                the error tree
"""
