{{ config(materialized='view') }}

with courses as (
    select * from {{ ref('int_courses') }}
),

course_versions as (
    select * from {{ ref('int_course_versions') }}
),

final as (
    select
        courses.course_id,
        courses.tenant_id,
        courses.name,
        courses.status,
        courses.language,
        course_versions.leaf_count,
        courses.published_at
    from courses
    inner join course_versions
        on
            courses.course_id = course_versions.course_id
            and now() >= course_versions.in_force_from
            and now() < course_versions.in_force_to
)

select * from final
