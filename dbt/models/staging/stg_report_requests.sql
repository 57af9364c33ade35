with source as (
    select * from {{ source('ops', 'report_requests') }}
),

final as (
    select
        request_id,
        batch_id,
        channel,
        status,
        requested_at,
        handed_over_at,
        failed_at
    from source
)

select * from final
