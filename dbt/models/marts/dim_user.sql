{{ config(materialized='view') }}

with users as (
    select * from {{ ref('stg_users') }}
),

final as (
    select
        user_id,
        tenant_id,
        name,
        email,
        phone,
        language,
        state,
        district,
        block,
        cluster,
        school_id,
        school_name,
        org_name,
        user_type,
        user_sub_type,
        declared_board,
        external_id
    from users
)

select * from final
