-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    certificate_id,
    user_id,
    course_id,
    batch_id,
    sequence,
    status,
    issued_at
from {{ source('registry', 'certificates') }}
