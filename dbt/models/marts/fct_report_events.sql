with requests as (
    select * from {{ ref('stg_report_requests') }}
),

downloads as (
    select * from {{ ref('stg_report_downloads') }}
),

clicks as (
    select * from {{ ref('int_report_clicks') }}
),

final as (
    select
        'requested:' || request_id::text as event_id,
        request_id,
        batch_id,
        'requested' as kind,
        channel,
        requested_at as happened_at
    from requests

    union all

    select
        'delivered:' || request_id::text as event_id,
        request_id,
        batch_id,
        'delivered' as kind,
        'mail' as channel,
        handed_over_at as happened_at
    from requests
    where handed_over_at is not null

    union all

    select
        'downloaded:' || downloads.download_id::text as event_id,
        downloads.request_id,
        requests.batch_id,
        'downloaded' as kind,
        downloads.channel,
        downloads.downloaded_at as happened_at
    from downloads
    inner join requests on downloads.request_id = requests.request_id

    union all

    select
        mid as event_id,
        null::uuid as request_id,
        batch_id,
        'clicked' as kind,
        'portal' as channel,
        clicked_at as happened_at
    from clicks
)

select * from final
