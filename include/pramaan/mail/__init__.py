"""Mail: what is to be sent waits in a ledger (table `ops.mails`) and is handed to a mail server from there.

    addresses    which addresses can be written to; how they are shown to people who need not know them
    ledger       the rows: queued, claimed, sent, tried again, failed
    messages     the content of a mail -> subject, text and HTML, in the recipient's language; the kinds of
                 mail stand in the packages that queue them
    smtp_errors  what an SMTP error means: try later, never, or the server refuses all our mail
    server       the address of a mail server, and the connection to it (yagmail)
    send         sends what is due over one connection
    dispatch     sends what is due over several connections, within the rate limit

A package that has something to tell queues a mail in the transaction that makes it true, and never sends it
itself. A mail is queued once, by its kind and subject. It is sent at least once: when a sender dies between
the server's acceptance and recording it, the mail is sent again under the same Message-ID.
"""
