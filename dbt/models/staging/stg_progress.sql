with source as (
    select * from {{ source('raw', 'progress') }}
),

final as (
    select
        user_id,
        batch_id,
        content_id,
        course_id,
        status,
        score,
        completed_at,
        updated_at
    from source
)

select * from final
