with source as (
    select * from {{ source('raw', 'enrolments') }}
),

final as (
    select
        user_id,
        batch_id,
        course_id,
        active,
        enrolled_at,
        updated_at
    from source
)

select * from final
