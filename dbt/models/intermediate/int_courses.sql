with courses as (
    select * from {{ ref('stg_courses') }}
),

newest as (
    select distinct on (course_id)
        course_id,
        tenant_id,
        status
    from courses
    order by course_id asc, updated_at desc
),

first_published as (
    select
        course_id,
        min(published_at) as published_at
    from courses
    group by course_id
),

final as (
    select
        newest.course_id,
        newest.tenant_id,
        newest.status,
        first_published.published_at
    from newest
    inner join first_published on newest.course_id = first_published.course_id
)

select * from final
