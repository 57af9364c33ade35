{{ config(
    materialized='keyed_table',
    indexes=[
        {'columns': ['user_id', 'batch_id'], 'unique': true},
        {'columns': ['batch_id']},
    ],
) }}

with keys_in_scope as (
    select * from {{ source('session', 'keys_in_scope') }}
),

enrolments as (
    select * from {{ ref('stg_enrolments') }}
),

batches as (
    select * from {{ ref('stg_batches') }}
),

progress as (
    select * from {{ ref('stg_progress') }}
),

-- The batch says which course it is a run of; an enrolment that says otherwise does not change that.
enrolled as (
    select
        keys_in_scope.user_id,
        batches.course_id,
        keys_in_scope.batch_id,
        batches.tenant_id,
        enrolment.active as is_active,
        enrolment.enrolled_at,
        case when not enrolment.active then enrolment.updated_at end as inactive_since
    from keys_in_scope
    inner join batches on keys_in_scope.batch_id = batches.batch_id
    inner join lateral (
        select
            enrolments.active,
            enrolments.enrolled_at,
            enrolments.updated_at
        from enrolments
        where
            enrolments.user_id = keys_in_scope.user_id
            and enrolments.batch_id = keys_in_scope.batch_id
        {{ planned_alone() }}
    ) as enrolment on true
),

-- By way of text, a score is exactly what the feed says; cast at once, its last digits would be rounded.
final as (
    select
        enrolled.user_id,
        enrolled.course_id,
        enrolled.batch_id,
        enrolled.tenant_id,
        contents.contents_completed,
        contents.contents_scored,
        contents.mean_score,
        contents.is_begun,
        enrolled.is_active,
        enrolled.enrolled_at,
        enrolled.inactive_since
    from enrolled
    cross join lateral (
        select
            (count(*) filter (where progress.status = 2))::integer as contents_completed,
            count(progress.score)::integer as contents_scored,
            avg(progress.score::text::numeric) as mean_score,
            coalesce(bool_or(progress.status > 0), false) as is_begun
        from progress
        where
            progress.user_id = enrolled.user_id
            and progress.batch_id = enrolled.batch_id
            and progress.course_id = enrolled.course_id
    ) as contents
)

select * from final
