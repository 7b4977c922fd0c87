"""The platform's fault suite: three real agents, a broker, workers and PostgreSQL, of which one part is struck.

After each fault SQL proves what holds (:mod:`tests.platform.faults.proofs`). ``python -m tests.platform.faults``.
"""
