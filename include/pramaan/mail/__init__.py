"""Mail: what is to be sent waits in a ledger (table `ops.mails`) and is handed to a mail server from there.

    addresses    which addresses can be written to; how they are shown to people who need not know them
    ledger       the rows: queued, claimed, sent, tried again, failed
    messages     a kind of mail and its content -> subject, text and HTML, in the recipient's language
    refusals     what a server's no means: later, never, or that it does not want us
    server       the address of a mail server, and the line to it (yagmail)
    hand_over    sends what is due

Whoever has something to tell queues a mail in the transaction that makes it true; nobody sends by themselves.
A mail is queued once, by its kind and what it is about. It goes out at least once: a sender that dies between
the server's yes and its own note of it has the mail sent again, under the same Message-ID.
"""
