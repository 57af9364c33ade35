{#-
    Views are replaced where they stand, and only when they change. dbt's own materialization builds each view anew beside
    the old one and drops the old one with everything that stands on it: until dbt has built those again, a batch that runs
    at that time finds no intermediate views. Only when a view loses or renames a column is it dropped, in the transaction
    that makes it anew. A long reader is not queued behind: whoever came next would wait for it, too.

    A view without CTEs becomes part of the query that reads it, which then looks up the few rows that it wants; one with
    CTEs is worked out by itself. So what is read in many ways, row by row, is written without.

    The contract binds as a table's does: columns, their types and their order are those of the yml, or the build fails.
-#}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif -%}
    {%- if existing is not none and not existing.is_view -%}
        {{ drop_relation_if_exists(existing) }}
    {%- endif -%}
    {%- call statement('main') -%}
        do $replace$
        declare
            attempts integer := 0;
        begin
            create temporary view {{ this.identifier }} as (
                {{ sql }}
            );
            if pg_get_viewdef('pg_temp.{{ this.identifier }}'::regclass)
                = pg_get_viewdef(to_regclass('{{ target_relation }}'))
            then
                drop view pg_temp.{{ this.identifier }};
                return;
            end if;
            drop view pg_temp.{{ this.identifier }};
            perform set_config('lock_timeout', '200ms', true);
            loop
                begin
                    begin
                        create or replace view {{ target_relation }} as (
                            {{ sql }}
                        );
                    exception when invalid_table_definition then
                        drop view {{ target_relation }} cascade;
                        create view {{ target_relation }} as (
                            {{ sql }}
                        );
                    end;
                    exit;
                exception when lock_not_available then
                    attempts := attempts + 1;
                    if attempts > 1000 then
                        raise;
                    end if;
                    perform pg_sleep(0.2);
                end;
            end loop;
        end
        $replace$
    {%- endcall -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
