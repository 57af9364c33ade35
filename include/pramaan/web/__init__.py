"""The API and its pages: every call under `/pramaan`, on Airflow's API server or by itself.

A route says who may call it and what it shows; what it does is the registry's, the warehouse's or the
renderer's.
"""
