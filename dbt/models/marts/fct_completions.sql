{{ config(
    materialized='keyed_table',
    indexes=[
        {'columns': ['user_id', 'batch_id'], 'unique': true},
        {'columns': ['course_id', 'completed_at']},
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

course_versions as (
    select * from {{ ref('int_course_versions') }}
),

-- The batch says which course it is a run of; an enrolment that says otherwise does not change that.
enrolled as (
    select
        keys_in_scope.user_id,
        batches.course_id,
        keys_in_scope.batch_id,
        batches.tenant_id,
        enrolment.enrolled_at
    from keys_in_scope
    inner join batches on keys_in_scope.batch_id = batches.batch_id
    inner join lateral (
        select enrolments.enrolled_at
        from enrolments
        where
            enrolments.user_id = keys_in_scope.user_id
            and enrolments.batch_id = keys_in_scope.batch_id
        {{ planned_alone() }}
    ) as enrolment on true
),

contents_in_order as (
    select
        enrolled.user_id,
        enrolled.course_id,
        enrolled.batch_id,
        enrolled.tenant_id,
        enrolled.enrolled_at,
        finished.completed_at as content_completed_at,
        finished.contents_completed
    from enrolled
    inner join lateral (
        select
            progress.completed_at,
            row_number() over (order by progress.completed_at) as contents_completed
        from progress
        where
            progress.user_id = enrolled.user_id
            and progress.batch_id = enrolled.batch_id
            and progress.course_id = enrolled.course_id
            and progress.status = 2
        {{ planned_alone() }}
    ) as finished on true
    {{ planned_alone() }}
),

-- Within one course version, the leaf count is reached when its last content is, the version is in force and
-- the enrolment has begun, whichever comes last.
reached as (
    select
        contents_in_order.user_id,
        contents_in_order.course_id,
        contents_in_order.batch_id,
        contents_in_order.tenant_id,
        contents_in_order.enrolled_at,
        course_versions.in_force_to,
        greatest(
            contents_in_order.content_completed_at,
            course_versions.in_force_from,
            contents_in_order.enrolled_at
        ) as reached_at
    from contents_in_order
    inner join course_versions
        on
            contents_in_order.course_id = course_versions.course_id
            and contents_in_order.contents_completed = course_versions.leaf_count
),

final as (
    select
        user_id,
        course_id,
        batch_id,
        tenant_id,
        enrolled_at,
        min(reached_at) as completed_at
    from reached
    where reached_at < in_force_to
    group by user_id, course_id, batch_id, tenant_id, enrolled_at
)

select * from final
