{{ config(
    materialized='keyed_table',
    indexes=[
        {'columns': ['user_id', 'batch_id'], 'unique': true},
        {'columns': ['course_id', 'decision']},
    ],
) }}

with keys_in_scope as (
    select * from {{ source('session', 'keys_in_scope') }}
),

completions as (
    select * from {{ ref('fct_completions') }}
),

users as (
    select * from {{ ref('stg_users') }}
),

courses as (
    select * from {{ ref('int_courses') }}
),

progress as (
    select * from {{ ref('int_enrolment_progress') }}
),

attachments as (
    select * from {{ ref('stg_attachments') }}
),

printable_code_points as (
    select * from {{ source('registry', 'printable_code_points') }}
),

completions_in_scope as (
    select known.*
    from keys_in_scope
    inner join lateral (
        select
            completions.user_id,
            completions.course_id,
            completions.batch_id,
            completions.tenant_id,
            completions.completed_at
        from completions
        where
            completions.user_id = keys_in_scope.user_id
            and completions.batch_id = keys_in_scope.batch_id
        {{ planned_alone() }}
    ) as known on true
),

facts as (
    select
        completions_in_scope.user_id,
        completions_in_scope.course_id,
        completions_in_scope.batch_id,
        attachments.attachment_id,
        recipient.tenant_id as recipient_tenant_id,
        courses.tenant_id as course_tenant_id,
        completions_in_scope.tenant_id as batch_tenant_id,
        courses.status as course_status,
        attachments.minimum_score,
        enrolment.mean_score,
        recipient.user_id is not null as is_recipient_known,
        attachments.attachment_id is not null as is_certificate_in_force,
        attachments.recipient_tenants is null
        or attachments.recipient_tenants ? recipient.tenant_id as is_recipient_tenant_accepted,
        attachments.minimum_score is null
        or coalesce(enrolment.mean_score >= attachments.minimum_score, false) as is_score_sufficient,
        not {{ is_placeholder_name('recipient.name') }}
        and coalesce(characters.are_printable, false) as is_name_printable,
        enrolment.is_active
        or enrolment.inactive_since > completions_in_scope.completed_at as is_enrolment_active,
        courses.published_at,
        completions_in_scope.completed_at
    from completions_in_scope
    inner join courses on completions_in_scope.course_id = courses.course_id
    inner join lateral (
        select
            progress.mean_score,
            progress.is_active,
            progress.inactive_since
        from progress
        where
            progress.user_id = completions_in_scope.user_id
            and progress.batch_id = completions_in_scope.batch_id
        {{ planned_alone() }}
    ) as enrolment on true
    left join lateral (
        select
            users.user_id,
            users.tenant_id,
            users.name
        from users
        where users.user_id = completions_in_scope.user_id
        {{ planned_alone() }}
    ) as recipient on true
    left join attachments
        on
            completions_in_scope.course_id = attachments.course_id
            and completions_in_scope.completed_at >= attachments.valid_from
            and completions_in_scope.completed_at < attachments.valid_to
    left join lateral (
        select bool_and(printable_code_points.code_point is not null) as are_printable
        from string_to_table(recipient.name, null) as name_character
        left join printable_code_points on ascii(name_character) = printable_code_points.code_point
    ) as characters on true
),

final as (
    select
        user_id,
        course_id,
        batch_id,
        attachment_id,
        recipient_tenant_id,
        course_tenant_id,
        batch_tenant_id,
        course_status,
        case
            when not is_recipient_known then 'recipient_unknown'
            when
                course_status = 'Draft' or coalesce(published_at > completed_at, true)
                then 'course_not_published'
            when not is_enrolment_active then 'enrolment_inactive'
            when batch_tenant_id <> course_tenant_id then 'other_tenant_batch'
            when not is_certificate_in_force then 'no_certificate_at_completion'
            when not is_recipient_tenant_accepted then 'outside_recipient_tenants'
            when not is_score_sufficient then 'below_minimum_score'
            when not is_name_printable then 'name_unprintable'
            else 'entitled'
        end as decision,
        minimum_score,
        mean_score,
        is_enrolment_active,
        is_name_printable,
        published_at,
        completed_at
    from facts
)

select * from final
