{#- What sqlfluff takes for dbt's own `env_var`. -#}
{% macro env_var(name, default) -%}{{ default }}{%- endmacro %}
