-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    user_id,
    batch_id,
    content_id,
    course_id,
    status,
    score,
    completed_at,
    updated_at
from {{ source('raw', 'progress') }}
