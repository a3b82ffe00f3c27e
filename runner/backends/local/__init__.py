"""LoRA tuning and generation on this machine: the local backend.

`backend.py` is the host side and imports no torch. What needs torch runs in processes of its
own: `train_worker` (one per tuning job) and `generate_worker` (one that keeps the base model).
"""
