{{ config(
    pre_hook="{{ open_scope_over_all_keys() }}",
    post_hook="{{ deploy_rule_statement() }}",
    indexes=[
        {'columns': ['user_id', 'batch_id'], 'unique': true},
        {'columns': ['course_id', 'decision']},
    ],
) }}

with keys_in_scope as (
    select * from {{ source('session', 'keys_in_scope') }}
),

completions as (
    select fct_completions.*
    from keys_in_scope
    inner join {{ ref('fct_completions') }}
        on keys_in_scope.user_id = fct_completions.user_id
        and keys_in_scope.batch_id = fct_completions.batch_id
),

users as (
    select * from {{ ref('stg_users') }}
),

courses as (
    select * from {{ ref('int_courses') }}
),

enrolments as (
    select * from {{ ref('stg_enrolments') }}
),

progress as (
    select * from {{ ref('stg_progress') }}
),

attachments as (
    select * from {{ ref('stg_attachments') }}
),

printable_code_points as (
    select * from {{ source('registry', 'printable_code_points') }}
),

facts as (
    select
        completions.user_id,
        completions.course_id,
        completions.batch_id,
        attachments.attachment_id,
        users.tenant_id as recipient_tenant_id,
        courses.tenant_id as course_tenant_id,
        completions.tenant_id as batch_tenant_id,
        courses.status as course_status,
        attachments.minimum_score,
        scores.mean_score,
        users.user_id is not null as is_recipient_known,
        attachments.attachment_id is not null as is_certificate_in_force,
        attachments.recipient_tenants is null
        or attachments.recipient_tenants ? users.tenant_id as is_recipient_tenant_accepted,
        attachments.minimum_score is null
        or coalesce(scores.mean_score >= attachments.minimum_score, false) as is_score_sufficient,
        not {{ is_placeholder_name('users.name') }}
        and coalesce(characters.are_printable, false) as is_name_printable,
        enrolments.active or enrolments.updated_at > completions.completed_at as is_enrolment_active,
        courses.published_at,
        completions.completed_at
    from completions
    inner join courses on completions.course_id = courses.course_id
    inner join enrolments
        on completions.user_id = enrolments.user_id
        and completions.batch_id = enrolments.batch_id
    left join users on completions.user_id = users.user_id
    left join attachments
        on completions.course_id = attachments.course_id
        and completions.completed_at >= attachments.valid_from
        and completions.completed_at < attachments.valid_to
    -- Looked up a person at a time, by key: joined as sets, the planner guesses their sizes wrong by magnitudes.
    left join lateral (
        select avg(progress.score::numeric) as mean_score
        from progress
        where
            progress.user_id = completions.user_id
            and progress.batch_id = completions.batch_id
            and progress.course_id = completions.course_id
    ) as scores on true
    left join lateral (
        select bool_and(printable_code_points.code_point is not null) as are_printable
        from string_to_table(users.name, null) as name_character
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
            when course_status = 'Draft' or coalesce(published_at > completed_at, true) then 'course_not_published'
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
