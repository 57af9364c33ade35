with source as (
    select * from {{ source('registry', 'attachments') }}
),

final as (
    select
        attachment_id,
        course_id,
        tenant_id,
        template_id,
        issuer_id,
        criteria -> 'recipient_tenants' as recipient_tenants,
        (criteria ->> 'minimum_score')::numeric as minimum_score,
        valid_from,
        coalesce(valid_to, 'infinity'::timestamptz) as valid_to
    from source
)

select * from final
