"""What curves and results say is wrong, with the evidence and what to do about it.

Pure functions: series and scores in, findings out. Thresholds are `conf/diagnosis/`.
"""
