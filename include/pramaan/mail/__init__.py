"""Mail: outgoing mails wait in a ledger (table `ops.mails`) and are handed to a mail server from there.

    addresses    which addresses mail can be sent to; how they are masked for people who need not know them
    ledger       the rows: queued, claimed, sent, retried, failed
    messages     the content of a mail -> subject, text and HTML, in the recipient's language; the kinds of
                 mail are defined in the packages that queue them
    smtp_errors  what an SMTP error means: try later, never, or the server refuses all our mail
    server       the address of a mail server, and the connection to it (yagmail)
    send         sends due mails over one connection
    dispatch     sends due mails over several connections, within the rate limit

A package queues a mail in the transaction that makes its content true, and never sends it itself. A mail is
queued once, by its kind and subject key. It is sent at least once: when a sender dies between the server's
acceptance and recording it, the mail is sent again under the same Message-ID.
"""
