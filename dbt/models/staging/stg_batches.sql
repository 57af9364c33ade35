with source as (
    select * from {{ source('raw', 'batches') }}
),

final as (
    select
        batch_id,
        course_id,
        tenant_id,
        name,
        enrolment_type,
        mentor_ids,
        start_date,
        end_date,
        updated_at
    from source
)

select * from final
