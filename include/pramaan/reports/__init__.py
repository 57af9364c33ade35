"""Batch progress reports: asked for, built, mailed, and never called sent before they are.

asking      who may have which report sent where; what an interface calls
ledger      `ops.report_requests`: what was asked for, and what became of it
schedules   `ops.report_schedules`: what is asked for again by itself
columns     the columns of a report
rows        the report of a batch, read from Postgres as Arrow, in one snapshot
files       Arrow to a file: CSV or Excel, zipped, encrypted if asked for
sealing     passwords and links, under keys of the home
building    one request: rows to a file in the store, and a mail about it
delivery    what the mail room asks about such a mail: the file, and what follows when it is sent
builders    the work of a builder: claim, build, send, until nothing waits
promise     who is told when a report is late: after twenty minutes, after thirty

    asking -> ledger <- builders -> building -> rows -> files -> store, mail ledger -> delivery -> ledger
"""
