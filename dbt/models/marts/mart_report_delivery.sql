{{ config(materialized='view') }}

{%- set timezone = env_var('PRAMAAN_TIMEZONE', 'Asia/Kolkata') %}

with requests as (
    select * from {{ ref('stg_report_requests') }}
),

-- The promise is thirty minutes from asking to the mail server's word that it has the mail.
measured as (
    select
        status,
        (requested_at at time zone '{{ timezone }}')::date as requested_on,
        extract(epoch from handed_over_at - requested_at)::double precision as seconds,
        coalesce(handed_over_at, failed_at, now()) - requested_at > interval '30 minutes' as is_breach
    from requests
),

final as (
    select
        requested_on,
        count(*) as requests,
        count(*) filter (where status = 'sent') as sent,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where status in ('requested', 'building')) as under_way,
        count(*) filter (where is_breach) as breaches,
        round(
            (percentile_cont(0.5) within group (order by seconds))::numeric, 3
        )::double precision as p50_seconds,
        round(
            (percentile_cont(0.95) within group (order by seconds))::numeric, 3
        )::double precision as p95_seconds,
        max(seconds) as worst_seconds
    from measured
    group by requested_on
)

select * from final
