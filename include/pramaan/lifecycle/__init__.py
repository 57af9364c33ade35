"""The life of a certificate: the only room that writes its status.

    create ── pending ⇄ held            hold, release
                │  ⇅ retry
                ├── failed              fail
                └── issued              issue; its predecessor is superseded in the same transaction
                      ├── superseded    supersede (a revoked one, too)
                      └── revoked       revoke

What is not issued yet can be withdrawn (`withdraw`), if the rules made it. The rules, the gate, workers, the
API and people propose; here is what may become of it. Each transition is one statement over a set of
certificates, with its guard, and leaves an outcome a certificate in `ops.outcomes`; what a person decided
stands in `registry.changes`, too. The database refuses every other change of a status, and of what was frozen
at creation.

Locks are taken in this order everywhere, so that no two wait for each other: the pipeline's lock, the rules'
lock, the gate's lock, certificates in the order of their ids, then whatever is written about them.
"""
