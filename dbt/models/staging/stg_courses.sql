with source as (
    select * from {{ source('raw', 'courses') }}
),

final as (
    select
        course_id,
        tenant_id,
        name,
        status,
        language,
        leaf_count,
        published_at,
        updated_at
    from source
)

select * from final
