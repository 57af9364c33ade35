-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    user_id,
    tenant_id,
    name,
    email,
    phone,
    language,
    state,
    district,
    block,
    cluster,
    school_id,
    school_name,
    org_name,
    user_type,
    user_sub_type,
    declared_board,
    external_id,
    updated_at
from {{ source('raw', 'users') }}
