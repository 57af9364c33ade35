{#-
    A keyed table has at most one row for each (user_id, batch_id), and its model is a select over
    `pg_temp.keys_in_scope`, a session table of the keys to work out. Who fills it is the only difference between a batch
    (the keys that facts touched) and a build (all of them):

    a build    is this materialization: by night, and when the project that is deployed changes
    a batch    is pramaan.warehouse.decide, which runs the very statement that the last build put into ops.rule_statements

    A build stands in no batch's way. It makes a whole table beside the one in use, while batches go on and note the keys
    that they worked out meanwhile (ops.build_keys); compares the two, as of one instant; and only when they differ, or the
    rules or the columns do, brings the new one up to date with those keys and puts it in the old one's place, together with
    its statement, in a blink. What differed under the same rules is a fault of ours: ops.builds says how much.

    Whenever a build dies, the table in use is as it was, and the next one takes its leftovers away.

    Each transaction begins in so many words: after the first one, dbt leaves that to its driver, and the driver to dbt.
-#}
{% materialization keyed_table, adapter='postgres' %}
    {%- if flags.EMPTY -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ": --empty would deploy rules that decide nothing; build keyed tables without it"
        ) }}
    {%- endif -%}
    {%- set live = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- set build_id = begin_build(live) -%}
    {%- set beside = live.incorporate(path={'identifier': this.identifier ~ '__' ~ build_id}) -%}
    {%- if build_beside(live, beside, build_id, sql) -%}
        {%- do swap(live, beside, build_id, sql) -%}
    {%- else -%}
        {%- do end_build(beside, build_id) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [live]}) }}
{% endmaterialization %}

{#- RULES_LOCK in pramaan.database.connect: a batch holds it from before it opens its scope until it has committed. -#}
{% macro lock_rules() %}pg_advisory_xact_lock({{ 0x5072616D61616E02 }}){% endmacro %}

{#-
    Takes away what builds left that died, and has every batch from now on note its keys. A batch under way may know
    nothing of it yet: it is waited for, so that the build sees all that it did.
-#}
{% macro begin_build(live) %}
    {%- call statement('clear') -%}
        begin;
        do $clear$
        declare
            leftover regclass;
        begin
            for leftover in
                select oid from pg_class
                where relnamespace = '{{ live.schema }}'::regnamespace and relname ~ '^{{ live.identifier }}__[0-9]+$'
            loop
                execute format('drop table %s', leftover);
            end loop;
        end
        $clear$;
        delete from ops.build_keys
        where build_id in (select build_id from ops.builds where model = '{{ live.identifier }}');
        update ops.builds set outcome = 'died', finished_at = now()
        where model = '{{ live.identifier }}' and finished_at is null;
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {%- call statement('begin', fetch_result=True) -%}
        begin;
        select {{ lock_rules() }};
        insert into ops.builds (model) values ('{{ live.identifier }}') returning build_id
    {%- endcall -%}
    {%- set build_id = load_result('begin').table.columns[0].values()[0] | int -%}
    {%- do adapter.commit() -%}
    {{ return(build_id) }}
{% endmacro %}

{#- Makes the new table and compares it, all as of one instant; returns whether it is to take the old one's place. -#}
{% macro build_beside(live, beside, build_id, sql) %}
    {%- call statement('scope') -%}
        begin;
        set transaction isolation level repeatable read;
        create temp table keys_in_scope on commit drop as
        select user_id, batch_id from {{ source('raw', 'enrolments') }};
        analyze pg_temp.keys_in_scope
    {%- endcall -%}
    {%- call statement('main') -%}
        {{ get_create_table_as_sql(False, beside, sql) }}
    {%- endcall -%}
    {%- do create_indexes(beside) -%}
    {%- call statement('compare', fetch_result=True) -%}
        analyze {{ beside }};
        select
            {{ shape_of(live) }} is not distinct from {{ shape_of(beside) }} as is_same_shape,
            exists (
                select from ops.rule_statements
                where model = '{{ live.identifier }}' and statement = $statement${{ statement_of_model() }}$statement$
            ) as is_same_rule
    {%- endcall -%}
    {%- set compared = load_result('compare').table.rows[0] -%}
    {%- if compared['is_same_shape'] -%}
        {%- set unlike = count_unlike(live, beside) -%}
    {%- endif -%}
    {%- call statement('built') -%}
        update ops.builds
        set
            rows = (select count(*) from {{ beside }}),
            rows_unlike = {{ unlike if compared['is_same_shape'] else 'null' }},
            is_same_rule = {{ compared['is_same_rule'] }},
            built_at = clock_timestamp()
        where build_id = {{ build_id }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return(not (compared['is_same_shape'] and compared['is_same_rule'] and unlike == 0)) }}
{% endmacro %}

{#- Names and types of the columns in their order, and what the indexes are over. -#}
{% macro shape_of(relation) %}
    (
        select row(
            (
                select array_agg(attname || ' ' || format_type(atttypid, atttypmod) order by attnum)
                from pg_attribute
                where attrelid = to_regclass('{{ relation }}') and attnum > 0 and not attisdropped
            ),
            (
                select array_agg(indkey::text || indisunique::text order by indkey::text)
                from pg_index
                where indrelid = to_regclass('{{ relation }}')
            )
        )::text
    )
{% endmacro %}

{#-
    How many keys have other rows in the new table than in the old. Not of those that a fact has touched whose batch is
    still to come: the new table is only ahead of it. A changed key names what it is about and leaves the rest null.
-#}
{% macro count_unlike(live, beside) %}
    {%- call statement('unlike', fetch_result=True) -%}
        with unlike as materialized (
            select
                user_id,
                batch_id,
                old.course_id as old_course_id,
                new.course_id as new_course_id
            from {{ live }} as old
            full join {{ beside }} as new using (user_id, batch_id)
            where old is distinct from new
        )

        select count(*)
        from unlike
        where
            not exists (
                select from ops.changed_keys as changed
                where changed.user_id = unlike.user_id and changed.batch_id = unlike.batch_id
            )
            and not exists (
                select from ops.changed_keys as changed
                where changed.user_id = unlike.user_id and changed.batch_id is null
            )
            and not exists (
                select from ops.changed_keys as changed
                where changed.batch_id = unlike.batch_id and changed.user_id is null
            )
            and not exists (
                select from ops.changed_keys as changed where changed.course_id = unlike.old_course_id
            )
            and not exists (
                select from ops.changed_keys as changed where changed.course_id = unlike.new_course_id
            )
    {%- endcall -%}
    {{ return(load_result('unlike').table.columns[0].values()[0] | int) }}
{% endmacro %}

{#- Nothing has changed: the old table stays. -#}
{% macro end_build(beside, build_id) %}
    {%- call statement('end') -%}
        begin;
        update ops.builds set outcome = 'unchanged', pause_seconds = 0, finished_at = clock_timestamp()
        where build_id = {{ build_id }};
        delete from ops.build_keys where build_id = {{ build_id }};
        drop table {{ beside }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
{% endmacro %}

{#- The new table catches up with the batches until little is left, and then takes the old one's place. -#}
{% macro swap(live, beside, build_id, sql) %}
    {%- set ended = namespace(is_so=false) -%}
    {%- for attempt in range(1000) if not ended.is_so -%}
        {%- call statement('catch_up') -%}
            begin;
            {{ catch_up(beside, build_id, sql) }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
        {%- call statement('swap') -%}
            begin;
            {{ try_to_swap(live, beside, build_id, sql) }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
        {%- call statement('swapped', fetch_result=True) -%}
            begin;
            select coalesce(outcome = 'swapped', pg_sleep(0.3) is null) from ops.builds where build_id = {{ build_id }}
        {%- endcall -%}
        {%- set ended.is_so = load_result('swapped').table.columns[0].values()[0] -%}
        {%- do adapter.commit() -%}
    {%- endfor -%}
    {%- if not ended.is_so -%}
        {{ exceptions.raise_compiler_error(
            live.identifier ~ " is built, but something reads or writes the table in use without an end "
            ~ "(pg_stat_activity says what); it stays as it is until the next build"
        ) }}
    {%- endif -%}
{% endmacro %}

{#- Works out again, in the new table, the keys that batches have noted. -#}
{% macro catch_up(beside, build_id, sql) %}
    create temp table keys_in_scope on commit drop as
    with noted as (
        delete from ops.build_keys where build_id = {{ build_id }} returning user_id, batch_id
    )

    select distinct user_id, batch_id from noted;
    analyze pg_temp.keys_in_scope;
    delete from {{ beside }} as built
    using pg_temp.keys_in_scope as scope
    where built.user_id = scope.user_id and built.batch_id = scope.batch_id;
    insert into {{ beside }} ({{ model.columns.keys() | join(', ') }})
    select {{ model.columns.keys() | join(', ') }} from ({{ sql }}) as selected;
{% endmacro %}

{#-
    With the rules' lock, but never for long: not while many keys are left, nor while a reader keeps the old table, behind
    whom everybody else would have to queue. Views on the old table are made views on the new one; one that cannot be,
    since a column has gone, is dropped: dbt makes it anew, as it comes after this model.
-#}
{% macro try_to_swap(live, beside, build_id, sql) %}
    do $swap$
    #variable_conflict use_column
    declare
        begun_at timestamptz;
        dependent record;
        dependents jsonb;
    begin
        perform {{ lock_rules() }};
        begun_at := clock_timestamp();
        perform set_config('lock_timeout', '200ms', true);
        if not exists (
            select from ops.builds
            where build_id = {{ build_id }} and finished_at is null and started_at > now() - interval '6 hours'
        ) then
            raise exception 'the build of {{ live.identifier }} took more than six hours, or another one began meanwhile';
        end if;
        if (
            select count(*) > 1000
            from (select from ops.build_keys where build_id = {{ build_id }} limit 1001) as noted
        ) then
            return;
        end if;
        {{ catch_up(beside, build_id, sql) }}
        if to_regclass('{{ live }}') is not null then
            lock table {{ live }} in access exclusive mode;
        end if;
        select
            coalesce(
                jsonb_agg(distinct jsonb_build_object(
                    'name', rules.ev_class::regclass::text, 'definition', pg_get_viewdef(rules.ev_class)
                )),
                '[]'
            )
        into dependents
        from pg_depend as depends
        inner join pg_rewrite as rules on depends.objid = rules.oid and depends.classid = 'pg_rewrite'::regclass
        where depends.refclassid = 'pg_class'::regclass and depends.refobjid = to_regclass('{{ live }}');
        alter table if exists {{ live }} rename to {{ beside.identifier }}__old;
        alter table {{ beside }} rename to {{ live.identifier }};
        for dependent in select * from jsonb_to_recordset(dependents) as one (name text, definition text) loop
            begin
                execute format('create or replace view %s as %s', dependent.name, dependent.definition);
            exception when invalid_table_definition or undefined_column then
                execute format('drop view %s cascade', dependent.name);
            when wrong_object_type or insufficient_privilege then
                -- Somebody's own, such as a materialized view: it goes with the old table, and is told of.
                raise warning '% stands on {{ live }} and is dropped with it: make it anew', dependent.name;
            end;
        end loop;
        drop table if exists {{ live.include(identifier=false) }}.{{ beside.identifier }}__old cascade;
        {{ deploy_statement() }};
        update ops.builds
        set
            outcome = 'swapped',
            pause_seconds = extract(epoch from clock_timestamp() - begun_at),
            finished_at = clock_timestamp()
        where build_id = {{ build_id }};
    exception when lock_not_available then
        update ops.builds set attempts = attempts + 1 where build_id = {{ build_id }};
    end
    $swap$
{% endmacro %}
