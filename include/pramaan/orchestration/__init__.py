"""What Airflow runs of Pramaan: the only package that imports Airflow.

steps      the steps of issue_certificates and build_warehouse, and what every DAG shares
quality    the steps of check_quality
mail       the step of send_mail
reports    the steps of send_reports
telemetry  the steps of build_metrics
approval   what approve_held_issuance asks, and what comes of the answer
assets     the data between the DAGs, and what wakes them
triggers   watches for work, in the triggerer
executor   LocalExecutor, but it does not outlive the death of one of its processes
listener   what the scheduler does for us: modules at hand, notes on runs
metrics    what Airflow's own metrics carry of issuance
sign_in    who calls the API, as Airflow's auth manager says
context    the home and the database that the environment of an Airflow process names
freshness  the step that tells the team of feeds that stopped coming
outcome    fails a run whose steps failed, after its counts are kept
"""
