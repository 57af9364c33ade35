with courses as (
    select * from {{ ref('stg_courses') }}
),

-- The first known version extends backwards: nothing else is known of the time before we heard of the course.
final as (
    select
        course_id,
        name,
        leaf_count,
        case
            when lag(updated_at) over versions is null then '-infinity'::timestamptz
            else updated_at
        end as in_force_from,
        coalesce(lead(updated_at) over versions, 'infinity'::timestamptz) as in_force_to
    from courses
    window versions as (partition by course_id order by updated_at)
)

select * from final
