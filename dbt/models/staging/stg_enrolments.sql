-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    user_id,
    batch_id,
    course_id,
    active,
    enrolled_at,
    updated_at
from {{ source('raw', 'enrolments') }}
