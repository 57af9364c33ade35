-- Anything may stand anywhere: what is no text says nothing, and of what is no list nothing is listed.
-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    mid,
    eid,
    actor_id,
    event -> 'actor' ->> 'type' as actor_type,
    event -> 'context' ->> 'channel' as channel,
    event -> 'context' ->> 'env' as env,
    pdata_id,
    event -> 'context' -> 'pdata' ->> 'pid' as pdata_pid,
    event -> 'context' -> 'pdata' ->> 'ver' as pdata_version,
    event -> 'context' ->> 'sid' as session_id,
    event -> 'context' ->> 'did' as device_id,
    event -> 'edata' ->> 'id' as edata_id,
    event -> 'edata' ->> 'type' as edata_type,
    event -> 'edata' ->> 'subtype' as edata_subtype,
    event -> 'edata' ->> 'pageid' as edata_page_id,
    object_id,
    object_type,
    case
        when json_typeof(event -> 'context' -> 'cdata') = 'array' then event -> 'context' -> 'cdata'
    end as correlates,
    ets as happened_at
from {{ source('raw', 'telemetry') }}
