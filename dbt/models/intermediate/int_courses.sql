with courses as (
    select * from {{ ref('stg_courses') }}
),

final as (
    select distinct on (course_id)
        course_id,
        tenant_id,
        name,
        status,
        language,
        min(published_at) over (partition by course_id) as published_at
    from courses
    order by course_id asc, updated_at desc
)

select * from final
