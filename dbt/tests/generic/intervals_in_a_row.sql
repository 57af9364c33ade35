{#- Of each owner, one interval ends where the next begins, from ever and for ever: no gap, no overlap. -#}
{% test intervals_in_a_row(model, of, begins, ends) %}
    with neighbours as (
        select
            {{ of }},
            {{ begins }} as begins,
            {{ ends }} as ends,
            lag({{ ends }}, 1, '-infinity') over intervals as previous_ends,
            lead({{ begins }}, 1, 'infinity') over intervals as next_begins
        from {{ model }}
        window intervals as (partition by {{ of }} order by {{ begins }})
    )

    select *
    from neighbours
    where begins >= ends or previous_ends <> begins or next_begins <> ends
{% endtest %}
