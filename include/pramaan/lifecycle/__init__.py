"""The life of a certificate: the only package that writes its status.

    create ── pending ⇄ held            hold, release
                │  ⇅ retry
                ├── failed              fail
                └── issued              issue; its predecessor is superseded in the same transaction
                      ├── superseded    supersede (a revoked one, too)
                      └── revoked       revoke

What is not issued yet can be withdrawn: by the rules what they made (`withdraw`), by a person what a person
made (`withdraw_by_person`); a revocation ends the successor that is to come, a re-issue one that failed. The
rules, the gate, workers, the API and people propose; here is what may become of it. Each transition is one
statement over a set of certificates, with its guard, and leaves an outcome a certificate in `ops.outcomes`;
what a person decided stands in `registry.changes`, too. The database refuses every other change of a status,
of what was frozen at creation, and of what was recorded on issue and revocation.

Locks are taken in this order everywhere, so that no two wait for each other: the pipeline's lock, the rules'
lock, the gate's lock, the lock of persons who decide about a single certificate, certificates in the order of
their ids, then whatever is written about them.
"""
