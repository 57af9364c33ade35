with events as (
    select * from {{ ref('stg_telemetry') }}
),

-- Not materialized: whoever asks for one batch is to read no more than the events of its people.
certificates as not materialized (
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

-- Apps before August 2020 name the certificate, which may have been re-issued since, and later ones the
-- course: of one that somebody completed in several batches, the certificate that was issued last.
final as (
    select
        clicks.mid,
        certificates.user_id,
        certificates.course_id,
        certificates.batch_id,
        clicks.happened_at as clicked_at
    from certificates
    inner join clicks on certificates.user_id = clicks.actor_id
    where
        clicks.object_id = certificates.certificate_id
        or (
            clicks.object_id = certificates.course_id
            and certificates.issued_at is not null
            and not exists (
                select from certificates as newer
                where
                    newer.user_id = certificates.user_id
                    and newer.course_id = certificates.course_id
                    and (newer.issued_at, newer.batch_id, newer.sequence)
                    > (certificates.issued_at, certificates.batch_id, certificates.sequence)
            )
        )
)

select * from final
