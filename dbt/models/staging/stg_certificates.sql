with source as (
    select * from {{ source('registry', 'certificates') }}
),

final as (
    select
        certificate_id,
        user_id,
        course_id,
        batch_id,
        sequence,
        status,
        issued_at
    from source
)

select * from final
