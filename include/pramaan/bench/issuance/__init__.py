"""Issuance as a whole: under real Airflow from a dropped file to a recorded PDF, and what a batch costs."""
