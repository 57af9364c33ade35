"""
### Send mail

Sends notices: to recipients whose certificate was issued, and to the team about holds and late reports. Progress reports go with
`send_reports`, which builds them.

**In:** `ops.mails`, where whoever has something to tell queues it. **Out:** mails at the mail server; each row `sent`, to be tried again,
or `failed` with the server's words.

**Schedule:** whenever notices are due and nobody sends any (asset `mail_due`), and every ten minutes in case a wake-up was lost. One run at
a time, of four minutes at most; what is left the next run sends. A run that finds nothing to send is green.

**How fast:** `PRAMAAN_MAILS_PER_MINUTE` (600), over four lines to the server; while the minute is full it waits. Nothing else waits for it:
a slow server holds up no certificate.

**A re-run** sends what is still due. A mail that was under way when a sender died goes out again after ten minutes, under the same
Message-ID.

#### Triage

* **Green, and the log says `notices wait`:** the mail server was away for a moment, or `PRAMAAN_SMTP_URL` is not set. Mail is tried again
  within five minutes, none lost an attempt.
* **Red:** the mail server has answered nobody for a quarter of an hour. The log's last line has its words: is `PRAMAAN_SMTP_URL` right, the
  server up, the sign-in valid? Nothing is to be done here once it answers again; `.venv/bin/pramaan mail list` shows what waits.
* **Mails `failed`:** refused for good, one recipient each. Mend the cause, then `.venv/bin/pramaan mail retry`.

**Owner:** data engineering, on call.
"""

from datetime import timedelta

import pendulum
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from pramaan.orchestration import assets, mail, steps

SENDING_LASTS = timedelta(minutes=15)
"""Four minutes, and the eight after which a line that hangs with a mail under way is broken off."""


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("3-59/10 * * * *", timezone="UTC"), assets=[assets.MAIL]
    ),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=steps.DEFAULT_ARGS,
    doc_md=__doc__,
    description="Notices to recipients and to the team, as fast as the mail server may be given them",
    tags=["mail"],
)
def send_mail() -> None:
    @task(inlets=[assets.MAIL], execution_timeout=SENDING_LASTS)
    def send_notices() -> dict[str, int]:
        return mail.send_notices()

    send_notices()


send_mail()
