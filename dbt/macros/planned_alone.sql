{#-
    Ends a subquery that the planner is not to take apart. Joined as sets, it guesses the sizes of joins over two columns
    wrong by magnitudes, and now and then reads or loops over whole tables for a handful of keys. A lateral subquery that
    is planned alone is an index lookup for each key in scope: the cost is that of the keys, be they few or all.
-#}
{% macro planned_alone() %}offset 0{% endmacro %}
