{{ config(
    materialized='view',
    post_hook="{{ deploy_statement() }}",
) }}

-- Always of now, since the leaf count in force changes by time alone.
-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    progress.user_id,
    progress.course_id,
    progress.batch_id,
    progress.tenant_id,
    progress.contents_completed,
    progress.contents_scored,
    courses.leaf_count,
    case
        when completions.completed_at is not null then 100
        else floor(
                100.0 * least(progress.contents_completed, courses.leaf_count) / courses.leaf_count
            )
    end::integer as progress_pct,
    progress.mean_score,
    progress.is_begun,
    progress.is_active,
    progress.enrolled_at,
    completions.completed_at
from {{ ref('int_enrolment_progress') }} as progress
left join {{ ref('fct_completions') }} as completions
    on
        progress.user_id = completions.user_id
        and progress.batch_id = completions.batch_id
        and progress.course_id = completions.course_id
left join {{ ref('dim_course') }} as courses on progress.course_id = courses.course_id
