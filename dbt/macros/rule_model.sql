{#-
    A rule model is a select over `pg_temp.keys_in_scope`, a session table of the (user_id, batch_id) to decide.
    Who fills it is the only difference between a batch (the keys that facts touched) and the night (all of them):

    by night   dbt fills it in the model's pre-hook and rebuilds the table, as any dbt table
    in a batch pramaan.warehouse.decide fills it and runs the very statement that dbt compiled,
               which the model's post-hook keeps in ops.rule_statements

    Both hold the rules' lock (RULES_LOCK in pramaan.database.connect), so neither undoes the other.
-#}

{% macro open_scope_over_all_keys() %}
    {%- if flags.EMPTY -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ": --empty would deploy rules that decide nothing; build rule models without it"
        ) }}
    {%- endif -%}
    select pg_advisory_xact_lock({{ 0x5072616D61616E02 }});
    create temp table keys_in_scope on commit drop as
    select user_id, batch_id from {{ source('raw', 'enrolments') }};
    analyze pg_temp.keys_in_scope;
{% endmacro %}

{#-
    Kept with the contract's columns in the table's order, whatever the order in which the model selects them, and
    without the database's name, so that it also holds in a copy of the database under another.
-#}
{% macro deploy_rule_statement() %}
    {%- set compiled = model.compiled_code | replace('"' ~ target.database ~ '"."', '"') -%}
    analyze {{ this }};
    insert into ops.rule_statements (model, statement)
    values (
        '{{ this.identifier }}',
        $statement$select {{ model.columns.keys() | join(', ') }} from ({{ compiled }}) as decided$statement$
    )
    on conflict (model) do update set statement = excluded.statement, deployed_at = now()
{% endmacro %}
