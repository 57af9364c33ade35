with events as (
    select * from {{ ref('stg_telemetry') }}
),

certificates as (
    select * from {{ ref('stg_certificates') }}
),

-- The portal names its button, which says neither whose certificate nor of what; the app names what was done.
clicks as (
    select
        mid,
        actor_id,
        object_id,
        happened_at
    from events
    where
        eid = 'INTERACT'
        and (
            edata_id = 'profile-download-certificate'
            or edata_subtype in ('download-certificate-clicked', 'DOWNLOAD_CERTIFICATE_CLICKED')
        )
),

-- Of a course that somebody completed in several batches, the one that was issued last.
newest_of_course as (
    select distinct on (user_id, course_id)
        user_id,
        course_id,
        batch_id
    from certificates
    where issued_at is not null
    order by user_id asc, course_id asc, issued_at desc, batch_id desc
),

-- Apps before August 2020 name the certificate; it may have been re-issued since.
on_certificate as (
    select
        clicks.mid,
        certificates.user_id,
        certificates.course_id,
        certificates.batch_id,
        clicks.happened_at as clicked_at
    from certificates
    inner join clicks
        on
            certificates.user_id = clicks.actor_id
            and certificates.certificate_id = clicks.object_id
),

on_course as (
    select
        clicks.mid,
        newest_of_course.user_id,
        newest_of_course.course_id,
        newest_of_course.batch_id,
        clicks.happened_at as clicked_at
    from newest_of_course
    inner join clicks
        on
            newest_of_course.user_id = clicks.actor_id
            and newest_of_course.course_id = clicks.object_id
),

final as (
    select * from on_certificate
    union all
    select * from on_course
)

select * from final
