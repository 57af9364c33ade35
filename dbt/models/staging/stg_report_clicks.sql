with source as (
    select * from {{ source('raw', 'telemetry') }}
),

clicks as (
    select
        mid,
        ets,
        -- Anything may stand there: what is no list says nothing.
        case
            when json_typeof(event -> 'context' -> 'cdata') = 'array' then event -> 'context' -> 'cdata'
        end as correlated
    from source
    where
        eid = 'INTERACT'
        and event -> 'context' ->> 'env' = 'reports'
        and event -> 'edata' ->> 'id' = 'download-summary-report'
),

subjects as (
    select
        clicks.mid,
        subject.correlate
    from clicks
    cross join lateral json_array_elements(clicks.correlated) as subject (correlate)
),

-- A portal may name the batch twice.
batches as (
    select
        mid,
        min(correlate ->> 'id') as batch_id
    from subjects
    where lower(correlate ->> 'type') in ('batch', 'coursebatch')
    group by mid
),

final as (
    select
        clicks.mid,
        clicks.ets as clicked_at,
        batches.batch_id
    from clicks
    left join batches on clicks.mid = batches.mid
)

select * from final
