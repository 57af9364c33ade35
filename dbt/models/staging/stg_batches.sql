-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    batch_id,
    course_id,
    tenant_id,
    name,
    enrolment_type,
    mentor_ids,
    start_date,
    end_date,
    updated_at
from {{ source('raw', 'batches') }}
