with events as (
    select * from {{ ref('stg_telemetry') }}
),

clicks as (
    select
        mid,
        correlates,
        happened_at
    from events
    where
        eid = 'INTERACT'
        and env = 'reports'
        and edata_id = 'download-summary-report'
),

-- A portal may name the batch twice.
batches as (
    select
        clicks.mid,
        min(subject.correlate ->> 'id') as batch_id
    from clicks
    cross join lateral json_array_elements(clicks.correlates) as subject (correlate)
    where lower(subject.correlate ->> 'type') in ('batch', 'coursebatch')
    group by clicks.mid
),

final as (
    select
        clicks.mid,
        batches.batch_id,
        clicks.happened_at as clicked_at
    from clicks
    left join batches on clicks.mid = batches.mid
)

select * from final
