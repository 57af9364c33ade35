with source as (
    select * from {{ source('ops', 'report_downloads') }}
),

final as (
    select
        download_id,
        request_id,
        channel,
        at as downloaded_at
    from source
)

select * from final
