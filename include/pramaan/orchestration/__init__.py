"""What Airflow runs of Pramaan: the only room that imports Airflow.

steps      the steps of the DAGs
sign_in    who calls the API, as Airflow's auth manager says
"""
