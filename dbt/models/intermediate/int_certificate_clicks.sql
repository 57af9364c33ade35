-- What is a click: the portal names its button, which says neither whose certificate nor of what; the app
-- names what was done. Where it leads: apps before August 2020 name the certificate, which may have been
-- re-issued since, and later ones the course: of one that somebody completed in several batches, the
-- certificate that was issued last.
-- No CTEs: Postgres is to take it into the query that reads it (macros/view_in_place.sql).
select
    clicks.mid,
    certificates.user_id,
    certificates.course_id,
    certificates.batch_id,
    clicks.happened_at as clicked_at
from {{ ref('stg_certificates') }} as certificates
inner join {{ ref('stg_telemetry') }} as clicks on certificates.user_id = clicks.actor_id
where
    clicks.eid = 'INTERACT'
    and (
        clicks.edata_id = 'profile-download-certificate'
        or clicks.edata_subtype in ('download-certificate-clicked', 'DOWNLOAD_CERTIFICATE_CLICKED')
    )
    and (
        clicks.object_id = certificates.certificate_id
        or (
            clicks.object_id = certificates.course_id
            and certificates.issued_at is not null
            and not exists (
                select from {{ ref('stg_certificates') }} as newer
                where
                    newer.user_id = certificates.user_id
                    and newer.course_id = certificates.course_id
                    and (newer.issued_at, newer.batch_id, newer.sequence)
                    > (certificates.issued_at, certificates.batch_id, certificates.sequence)
            )
        )
    )
