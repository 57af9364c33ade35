{#- An instant never lies before another one of its row. -#}
{% test not_before(model, column_name, other) %}
    select {{ column_name }}, {{ other }}
    from {{ model }}
    where {{ column_name }} < {{ other }}
{% endtest %}
