"""`pramaan mail`: on call, for mail that did not go out."""

import json

from people import call, call_process

from mail_servers import queue
from pramaan.database.connect import Connection


def test_what_failed_is_listed_without_addresses_and_tried_again(
    environment: dict[str, str], connection: Connection
) -> None:
    assert call_process(environment, "mail", "list").stdout == "Everything is sent.\n"
    for number in (1, 2, 3):
        queue(connection, number)
    connection.execute(
        "update ops.mails set status = 'failed', attempts = 3, error_class = 'recipient_refused', "
        "error = '550 no' where subject_key <> 'c1'"
    )

    told = call(environment, "mail", "list", "--json").stdout
    refused, failed, waits = json.loads(told)
    assert (refused["subject_key"], waits["subject_key"]) == ("c3", "c1")
    assert (failed["status"], failed["attempts"], failed["error"]) == ("failed", 3, "550 no")
    assert failed["next_attempt_at"] is None
    assert "@" not in told + call(environment, "mail", "list").stdout

    assert "--all" in call(environment, "mail", "retry").stderr
    assert call(environment, "mail", "retry", str(failed["mail_id"])).stdout == "Queued again: 1.\n"
    (left, *_) = json.loads(call(environment, "mail", "list", "--json").stdout)
    assert (left["subject_key"], left["status"]) == ("c3", "failed")
    assert call(environment, "mail", "retry", "--all").stdout == "Queued again: 1.\n"
