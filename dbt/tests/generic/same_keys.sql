{#- Both models hold the same keys: no completion without a decision, no decision without a completion. -#}
{% test same_keys(model, as_model, columns) %}
    (
        select {{ columns | join(', ') }} from {{ model }}
        except
        select {{ columns | join(', ') }} from {{ as_model }}
    )
    union all
    (
        select {{ columns | join(', ') }} from {{ as_model }}
        except
        select {{ columns | join(', ') }} from {{ model }}
    )
{% endtest %}
