{#-
    True for a name that is no name: nothing visible; `null` or `undefined` as a word of its own, as portals write a missing
    part; or nothing but words that stand for "not given".
-#}
{% macro is_placeholder_name(name) -%}
    (
        coalesce({{ name }}, '') !~ '\S'
        or {{ name }} ~ '(^|\s)(null|undefined)(\s|$)'
        or {{ name }} ~* '^\s*((null|undefined|none|nil|nan|n/a|na|-|[.]|_)(\s+|$))+$'
    )
{%- endmacro %}
