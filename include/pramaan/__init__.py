"""Pramaan issues course-completion certificates from completion facts, exactly once and verifiably.

Rooms, each of which knows only those below it (proven by the import contracts in `pyproject.toml`):

    cli, orchestration    commands; what Airflow runs of us (the only room that imports Airflow)
    bench                 every figure in BENCHMARKS.md
    host                  the processes on this machine: Postgres, supervisor, Airflow's settings
    sample                the bundled sample feeds
    web, pipeline, work   the API and its pages; the stages bound to one home; what there is to do, by DAG
    stages                a run's stages, each alone: prepare, load, decide, issue, send mail, count
    certificates          decisions -> past the gate -> pending certificates -> PDFs in the store -> recorded
    reports               progress of a batch: asked for, built, mailed, and never called sent before that
    freshness             feeds that have stopped coming, told to the team
    lifecycle             what may become of a certificate, and the only statements that change its status
    registry              issuers, attachments, certificates' records, grants, the record of changes
    warehouse             the dbt project and the decisions it defines
    quality               a verdict per load, by a suite per feed; the only room that knows Great Expectations
    feeds                 landing folder -> raw tables
    mail, runs, store     what is to be sent, in a ledger, and from there to a mail server; the ledger of
                          runs; the object store
    watch                 tells when a source of work has some; knows no room that has
    database              connections, migrations, locks, what a source of work is
    checking              templates vetted before they are trusted, in a child process within limits
    rendering             fields and a template -> one PDF; the only room that knows WeasyPrint
    settings              the environment, parsed once
    localisation          every text that people read in their own language
    certificate_fields    what a certificate prints, by the names it has everywhere
    sandbox              a module of ours run in a child process within limits, on what a stranger wrote
    errors                the error tree
"""
