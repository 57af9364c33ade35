{#-
    True for a name that is no name: nothing visible (joiners and direction marks alone print nothing); `null` or `undefined` as a word of its own, as portals write a missing
    part; or nothing but words that stand for "not given". White space is spelt out, since a database's locale may know
    only that of ASCII.
-#}
{% macro is_placeholder_name(name) -%}
    {%- set space = '\\s\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000' -%}
    {%- set invisible = space ~ '\\u200c-\\u200f' -%}
    {%- set not_given = 'null|undefined|none|nil|nan|n/a|na|-|[.]|_' -%}
    (
        coalesce({{ name }}, '') ~ '^[{{ invisible }}]*$'
        or {{ name }} ~ '(^|[{{ space }}])(null|undefined)([{{ space }}]|$)'
        or {{ name }} ~* '^[{{ space }}]*(({{ not_given }})([{{ space }}]+|$))+$'
    )
{%- endmacro %}
