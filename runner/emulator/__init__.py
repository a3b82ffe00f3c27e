"""The emulator: Vertex AI's tuning API on this machine, for tests and rehearsals.

Requests are read strictly against Google's published schemas, Cloud Storage is a real
stand-in, jobs are scripted or tuned for real with the local backend, and faults happen as
planned. The official clients talk to it unpatched.
"""

from runner.emulator.emulator import BUCKETS, Emulator

__all__ = ["BUCKETS", "Emulator"]
