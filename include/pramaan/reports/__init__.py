"""Batch progress reports: requested, built and mailed, and never recorded as sent before they are.

service     what the interfaces and DAGs call, bound to one home
requests    who may request which report, and where it may be sent
ledger      `ops.report_requests`: each request and its outcome
schedules   `ops.report_schedules`: reports requested again at intervals
columns     the columns of a report
rows        the report of a batch, read from Postgres as Arrow, in one snapshot
files       Arrow to a file: CSV or Excel, zipped, encrypted on request
encryption  passwords and links, under keys of the home
building    one request: rows to a file in the store, and a mail about it
builders    the work of a builder: claim, build, send, until nothing waits
mails       the kinds of mail about reports
delivery    the file of a report's mail, and the records written when the mail is sent
failures    tells the requester that a report failed
sla         tells the team when a report is late: after twenty minutes, after thirty

    requests -> ledger <- builders -> building -> rows -> files -> store, mail ledger -> delivery -> ledger
"""
