"""The API and its pages: every route under `/pramaan`, on Airflow's API server or on its own.

A route checks access and shapes the response; registry, warehouse and rendering do the work.
"""
