{{ config(materialized='view') }}

with batches as (
    select * from {{ ref('stg_batches') }}
),

final as (
    select
        batch_id,
        course_id,
        tenant_id,
        name,
        enrolment_type,
        mentor_ids,
        start_date,
        end_date
    from batches
)

select * from final
