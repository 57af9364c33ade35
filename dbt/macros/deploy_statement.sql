{#-
    What a model selects, kept in ops.rule_statements so that the package can run it as dbt compiled it: with the
    contract's columns in their order, and without the database's name, so that it also holds in a copy of the database
    under another.
-#}
{% macro statement_of_model() -%}
    {%- set compiled = model.compiled_code | replace('"' ~ target.database ~ '"."', '"') -%}
    select {{ model.columns.keys() | join(', ') }} from ({{ compiled }}) as selected
{%- endmacro %}

{% macro deploy_statement() %}
    insert into ops.rule_statements (model, statement)
    values ('{{ this.identifier }}', $statement${{ statement_of_model() }}$statement$)
    on conflict (model) do update set statement = excluded.statement, deployed_at = now()
    where rule_statements.statement <> excluded.statement
{% endmacro %}
